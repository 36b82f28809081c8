import type { Phase, Problem, Progress } from '../contracts/index.ts'
import { BackupError, endedBy } from '../errors/backup-error.ts'
import { ProgressAggregator } from './progress-aggregator.ts'
import type { RunEvent, RunEventListener, RunOutcome } from './run-event.ts'

/** The options of every operation of the pipeline. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** Called synchronously; an error thrown by it is ignored, since a broken display must not end a backup. */
  readonly onEvent?: RunEventListener | undefined
  /** After so many seconds without a byte `stalled` is said, and again after as many more; 60 when left out. */
  readonly stalledAfterSeconds?: number | undefined
}

/** The one mouth of an operation. Dispose it, or its timer stays; the timer does not keep the process alive. */
export class RunReporter implements Disposable {
  readonly problems: Problem[] = []
  readonly #aggregator = new ProgressAggregator()
  readonly #listener: RunEventListener | undefined
  readonly #beganAt = performance.now()
  #movedAt = performance.now()
  #saidStalledAt: number | undefined
  readonly #timer: NodeJS.Timeout | undefined
  #finished = false

  constructor(options: RunOptions) {
    this.#listener = options.onEvent
    const stalledAfter = (options.stalledAfterSeconds ?? 60) * 1000
    if (this.#listener === undefined) return
    this.#timer = setInterval(() => this.#look(stalledAfter), Math.max(10, stalledAfter / 4))
    this.#timer.unref()
  }

  get seconds(): number {
    return (performance.now() - this.#beganAt) / 1000
  }

  get bytes(): number {
    return this.#aggregator.bytes
  }

  /** Of one phase since the start. */
  bytesOf(phase: Phase): number {
    return this.#aggregator.bytesOf(phase)
  }

  /** Says what has been held back, so that the numbers before a milestone are the true ones. */
  flush(): void {
    for (const event of this.#aggregator.flush(performance.now())) this.emit(event)
  }

  /** To hand to plugins as `onProgress`. */
  readonly onProgress = (progress: Progress): void => {
    if (progress.type === 'bytes' && progress.bytes > 0) {
      this.#movedAt = performance.now()
      this.#saidStalledAt = undefined
    }
    if (progress.type === 'problem') this.problems.push(progress.problem)
    for (const event of this.#aggregator.add(progress, performance.now())) this.emit(event)
  }

  emit(event: RunEvent): void {
    if (this.#finished) return
    try {
      this.#listener?.(event)
    } catch {
      // A display that fails is not the backup's problem.
    }
  }

  /** So many bytes will have moved in this phase at its end. */
  expect(phase: Phase, bytes: number): void {
    this.#aggregator.expect(phase, bytes)
  }

  problem(problem: Problem): void {
    this.onProgress({ type: 'problem', problem })
  }

  /** The last event: only the first call counts, and nothing is said afterwards. */
  finish(outcome: RunOutcome): void {
    if (this.#finished) return
    clearInterval(this.#timer)
    this.flush()
    this.emit({ type: 'finished', outcome, seconds: this.seconds, bytes: this.bytes })
    this.#finished = true
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(stalledAfter: number): void {
    const now = performance.now()
    if (now - Math.max(this.#movedAt, this.#saidStalledAt ?? 0) < stalledAfter) return
    this.#saidStalledAt = now
    this.emit({ type: 'stalled', seconds: Math.round((now - this.#movedAt) / 1000) })
  }
}

/** Runs one operation with a reporter that ends in `finished`, however the operation ends. */
export async function reportRun<T>(
  options: RunOptions,
  run: (reporter: RunReporter) => Promise<{ readonly result: T; readonly outcome: RunOutcome }>,
): Promise<T> {
  using reporter = new RunReporter(options)
  try {
    const { result, outcome } = await run(reporter)
    reporter.finish(outcome)
    return result
  } catch (error) {
    reporter.finish(outcomeOfError(error))
    throw error
  }
}

/** `aborted` only by who asked for it: what was cut, such as by a limit of time, has failed. */
export function outcomeOfError(error: unknown): 'aborted' | 'failed' {
  const cause = endedBy(error)
  return BackupError.is(cause) && cause.code === 'ABORTED' ? 'aborted' : 'failed'
}
