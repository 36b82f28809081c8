import type { Problem } from '../contracts/index.ts'
import { BackupError, endedBy } from '../errors/backup-error.ts'
import type { RunOutcome } from '../events/run-event.ts'
import { outcomeOfError } from '../events/run-reporter.ts'
import type { CommandRunner } from '../process/command.ts'
import { commandRunner } from '../process/command-runner.ts'
import { maskSecrets } from '../process/secret-masking.ts'
import type { FinishedRunFacts, Hook, Hooks, RunFacts } from './hook.ts'
import { hookEnvironment } from './hook-environment.ts'
import { type HookRun, runHook } from './run-hook.ts'
import { StopLimit } from './stop-limit.ts'

export interface HookedParts<Result> {
  readonly hooks: Hooks
  readonly facts: RunFacts
  /** The run itself; not called when an essential hook before it has failed. */
  readonly run: () => Promise<Result>
  /** What hooks afterwards are told of a run that did not throw. */
  readonly finished: (result: Result) => Pick<FinishedRunFacts, 'outcome' | 'backup'>
  /** Put over the environment of this process for the hooks; `undefined` takes a variable away, such as one that holds a secret. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** What is replaced by `***` in what hooks wrote and are told; asked for before each, since a run gets to know secrets. */
  readonly secrets?: (() => readonly string[]) | undefined
  readonly runner?: CommandRunner | undefined
}

export interface HookedOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * How long all hooks after the run may take together once it was aborted, shared among those that are still to be run, because somebody waits for the
   * end. Each has its own timeout alone when left out.
   */
  readonly afterAbortMs?: number | undefined
  /** Called for each hook that failed, at once. */
  readonly onProblem?: ((problem: Problem) => void) | undefined
}

/** How a run with its hooks ended: `result` of a run that resolved, `error` of one that threw or was prevented. */
export interface HookedRun<Result> {
  /** `partial` also where the run was done and an essential hook after it failed. */
  readonly outcome: RunOutcome
  readonly seconds: number
  readonly result?: Result
  readonly error?: unknown
  /** Of hooks that failed: errors of essential ones, warnings of the others. */
  readonly problems: readonly Problem[]
}

/**
 * One run with its hooks: those before it, the run, those after it. Never rejects. Hooks after it are run also when it failed, was
 * prevented or aborted, so that they may undo what hooks before it did. Aborting ends a hook before the run, with all that it started. It
 * ends none after it: these go on for as long as they may.
 */
export async function runWithHooks<Result>(parts: HookedParts<Result>, options: HookedOptions = {}): Promise<HookedRun<Result>> {
  const { hooks, facts, environment, secrets = () => [], runner = commandRunner } = parts
  const began = performance.now()
  const problems: Problem[] = []
  const onProblem = (problem: Problem): void => {
    problems.push(problem)
    options.onProblem?.(problem)
  }
  const hookRunOf = (told: RunFacts | FinishedRunFacts): HookRun => ({
    environment: { ...environment, ...hookEnvironment(told) },
    secrets: secrets(),
    runner,
  })

  const ended = await attempt(async () => {
    await runBefore(hooks.before ?? [], hookRunOf(facts), options.signal, onProblem)
    return parts.run()
  })
  const seconds = (performance.now() - began) / 1000
  const told: FinishedRunFacts = {
    ...facts,
    seconds,
    ...('error' in ended ? failureOf(ended.error, secrets()) : parts.finished(ended.result)),
  }
  const failed = await runAfter(hooks.after ?? [], hookRunOf(told), options, onProblem)
  return { outcome: told.outcome === 'done' && failed ? 'partial' : told.outcome, seconds, problems, ...ended }
}

async function attempt<Result>(work: () => Promise<Result>): Promise<{ readonly result: Result } | { readonly error: unknown }> {
  try {
    return { result: await work() }
  } catch (error) {
    return { error }
  }
}

async function runBefore(
  hooks: readonly Hook[],
  hookRun: HookRun,
  signal: AbortSignal | undefined,
  onProblem: (problem: Problem) => void,
): Promise<void> {
  for (const [index, hook] of hooks.entries()) {
    try {
      await runHook(hook, `hook ${index + 1} before the run`, hookRun, { signal })
    } catch (error) {
      if (signal?.aborted === true || !BackupError.is(error)) throw error
      if (hook.essential === true) throw prevented(error)
      onProblem(problemOf(error, 'warning'))
    }
  }
}

/** Resolves with whether an essential one failed. */
async function runAfter(
  hooks: readonly Hook[],
  hookRun: HookRun,
  { signal, afterAbortMs }: HookedOptions,
  onProblem: (problem: Problem) => void,
): Promise<boolean> {
  let failed = false
  using stop = new StopLimit(signal, afterAbortMs)
  for (const [index, hook] of hooks.entries()) {
    using limit = stop.share(hooks.length - index)
    try {
      await runHook(hook, `hook ${index + 1} after the run`, hookRun, { signal: limit?.signal })
    } catch (error) {
      if (hook.essential === true) failed = true
      onProblem(problemOf(asBackupError(error), hook.essential === true ? 'error' : 'warning'))
    }
  }
  return failed
}

function failureOf(error: unknown, secrets: readonly string[]): Pick<FinishedRunFacts, 'outcome' | 'failure'> {
  const { code, message } = asBackupError(endedBy(error))
  return { outcome: outcomeOfError(error), failure: { code, message: maskSecrets(message, secrets) } }
}

function asBackupError(error: unknown): BackupError {
  if (BackupError.is(error)) return error
  return new BackupError(error instanceof Error ? `${error.name}: ${error.message}` : String(error), { code: 'UNKNOWN', cause: error })
}

function prevented(error: BackupError): BackupError {
  return new BackupError(`${error.message}; no backup was made, because this hook is essential`, {
    code: error.code,
    retryable: error.retryable,
    hint: error.hint,
    cause: error,
  })
}

function problemOf({ code, message, hint }: BackupError, severity: Problem['severity']): Problem {
  return { severity, code, message, hint: hint ?? 'Correct the hook, or take it out of the configuration of the job.' }
}
