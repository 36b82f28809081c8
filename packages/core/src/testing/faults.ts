import { abortError, BackupError } from '../errors/backup-error.ts'

export type UploaderOperation = 'upload' | 'download' | 'stat' | 'list' | 'remove'

/** What goes wrong with the n-th call of an operation. */
export interface UploaderFault {
  readonly operation: UploaderOperation
  /** From 1, counted per operation. */
  readonly occurrence: number
  /**
   * `fail`: throws `error` before anything is done. `fail-half-way`: throws `error` after half of the bytes or the first
   * listed object. `stall`: does nothing until it is aborted. `corrupt`: turns a bit of what is stored or read.
   */
  readonly action: 'fail' | 'fail-half-way' | 'stall' | 'corrupt'
  /** `UNREACHABLE` when left out. */
  readonly error?: unknown
}

export interface FaultPlan {
  /** Counts a call; returns the fault planned for it. Throws or stalls where that is the fault. */
  begin(operation: UploaderOperation, signal: AbortSignal | undefined): Promise<UploaderFault | undefined>
  add(fault: UploaderFault): void
  /** How often each operation was called. */
  readonly calls: Readonly<Record<UploaderOperation, number>>
}

export function createFaultPlan(faults: readonly UploaderFault[] = []): FaultPlan {
  const planned = [...faults]
  const calls = { upload: 0, download: 0, stat: 0, list: 0, remove: 0 }
  return {
    calls,
    add(fault) {
      planned.push(fault)
    },
    async begin(operation, signal) {
      calls[operation]++
      const fault = planned.find((candidate) => candidate.operation === operation && candidate.occurrence === calls[operation])
      if (fault?.action === 'fail') throw faultError(fault)
      if (fault?.action === 'stall') await stall(operation, signal)
      return fault
    },
  }
}

export function faultError(fault: UploaderFault): unknown {
  return (
    fault.error ?? new BackupError(`${fault.operation} ${fault.occurrence} was made to fail`, { code: 'UNREACHABLE', hint: 'Try again.' })
  )
}

/** The same bytes with one bit turned in the middle. */
export function withOneBitTurned(bytes: Uint8Array): Buffer {
  const turned = Buffer.from(bytes)
  const middle = turned.length >> 1
  if (turned.length > 0) turned[middle] = (turned[middle] ?? 0) ^ 1
  return turned
}

/** Rejects when the signal is aborted, and never otherwise. */
export function stall(during: string, signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(abortError(signal, during))
    else signal?.addEventListener('abort', () => reject(abortError(signal, during)), { once: true })
  })
}
