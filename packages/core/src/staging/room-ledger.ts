import { abortError, BackupError } from '../errors/backup-error.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'

/**
 * Who holds how many bytes of a budget, and who waits for room.
 *
 * Files grow without saying beforehand how large they become, several at once, and only complete files can be freed
 * again. The rule that makes a deadlock impossible (a banker's algorithm with one favoured claimant):
 *
 * 1. `largestFile` is half of the budget; a file that outgrows it fails.
 * 2. All unfinished files except the oldest together never take more than `budget - largestFile`.
 * 3. While the oldest waits, nobody else is given room.
 *
 * So when the oldest has to wait although it stays within `largestFile`, the others' unfinished files take at most
 * `budget - largestFile`, and the rest is taken by complete files, which the drainer can free. Once they are freed it
 * gets its room, ends, and the next one is the oldest.
 */
export class RoomLedger {
  readonly budget: number
  readonly largestFile: number
  #held: number
  #stopped: { readonly cause: unknown } | undefined
  readonly #claims: Claim[] = []
  readonly #onChange: () => void
  readonly #budgetName: string

  /**
   * @param onChange called whenever somebody begins to wait or room has been freed
   * @param budgetName how hints call the setting that the budget comes from
   */
  constructor(budget: number, held: number, onChange: () => void, budgetName = 'budgetBytes') {
    this.budget = budget
    this.largestFile = Math.floor(budget / 2)
    this.#held = held
    this.#onChange = onChange
    this.#budgetName = budgetName
  }

  /** Bytes of complete files that have not been freed. */
  get held(): number {
    return this.#held
  }

  get used(): number {
    return this.#claims.reduce((sum, claim) => sum + claim.bytes, this.#held)
  }

  /** Whether a writer waits and freeing complete files would help it. */
  get needsRelease(): boolean {
    return this.#held > 0 && this.#claims.some((claim) => claim.wanted !== undefined && this.used + claim.wanted.bytes > this.budget)
  }

  /** A new unfinished file. End it with `keep` or `abandon`. */
  begin(label: string): RoomClaim {
    const claim: Claim = { label, bytes: 0, wanted: undefined }
    this.#claims.push(claim)
    const end = (): boolean => {
      const index = this.#claims.indexOf(claim)
      if (index < 0) return false
      this.#claims.splice(index, 1)
      return true
    }
    return {
      grow: (bytes, signal) => this.#grow(claim, bytes, signal),
      keep: () => {
        if (!end()) throw new TypeError('this claim has ended')
        this.#held += claim.bytes
        this.#settle()
      },
      abandon: () => {
        if (end()) this.#settle()
      },
    }
  }

  /** Bytes of a complete file are free again. */
  free(bytes: number): void {
    if (bytes > this.#held) throw new TypeError(`cannot free ${bytes} bytes of ${this.#held} held`)
    this.#held -= bytes
    this.#settle()
  }

  /** Nobody will free anything more: who has to wait for that fails with `cause`. */
  stop(cause: unknown): void {
    this.#stopped ??= { cause }
    this.#settle()
  }

  async #grow(claim: Claim, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw abortError(signal, `staging ${claim.label}`)
    if (claim.bytes + bytes > this.largestFile) throw tooLarge(claim.label, claim.bytes + bytes, this.budget, this.#budgetName)
    if (this.#grantable(claim, bytes)) {
      claim.bytes += bytes
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      claim.wanted = undefined
      reject(abortError(signal as AbortSignal, `staging ${claim.label}`))
      this.#settle()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    claim.wanted = { bytes, resolve, reject }
    this.#settle()
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #grantable(claim: Claim, bytes: number): boolean {
    if (this.used + bytes > this.budget) return false
    const oldest = this.#claims[0]
    if (oldest === undefined || claim === oldest) return true
    if (oldest.wanted !== undefined) return false
    const younger = this.#claims.reduce((sum, other) => (other === oldest ? sum : sum + other.bytes), 0)
    return younger + bytes <= this.budget - this.largestFile
  }

  #settle(): void {
    for (const claim of [...this.#claims]) {
      const { wanted } = claim
      if (wanted === undefined) continue
      if (this.#grantable(claim, wanted.bytes)) {
        claim.wanted = undefined
        claim.bytes += wanted.bytes
        wanted.resolve()
        continue
      }
      if (this.#stopped === undefined || this.used + wanted.bytes <= this.budget) continue
      claim.wanted = undefined
      wanted.reject(this.#stopped.cause)
    }
    this.#onChange()
  }
}

export interface RoomClaim {
  /** Resolves once so many more bytes may be written; throws `OUT_OF_SPACE` for a file that is too large. */
  grow(bytes: number, signal?: AbortSignal): Promise<void>
  /** The file is complete: its bytes stay taken until they are freed. */
  keep(): void
  /** The file is gone. */
  abandon(): void
}

interface Claim {
  readonly label: string
  bytes: number
  wanted: { readonly bytes: number; readonly resolve: () => void; readonly reject: (cause: unknown) => void } | undefined
}

function tooLarge(label: string, bytes: number, budget: number, budgetName: string): BackupError {
  const largest = describeBytes(Math.floor(budget / 2))
  return new BackupError(
    `${label} is larger than ${largest}: one staged file may take half of the staging budget of ${describeBytes(budget)}`,
    {
      code: 'OUT_OF_SPACE',
      hint: `Raise ${budgetName} to more than twice the largest file (more than ${describeBytes(bytes * 2)}), or let the agent split its files.`,
    },
  )
}
