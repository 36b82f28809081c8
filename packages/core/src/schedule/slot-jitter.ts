import type { ScheduleTask } from './schedule-policy.ts'

export interface JitteredTask {
  readonly job: string
  readonly task: ScheduleTask
  readonly limitSeconds: number
}

/**
 * How many milliseconds after a slot, in milliseconds since 1970, a run begins, in whole seconds: the same in every process and after every restart, spread
 * evenly over jobs and slots. Less than the limit, and than the time to the next slot, so that slots stay in order.
 */
export function jitterOf({ job, task, limitSeconds }: JitteredTask): (slot: number, next: number | undefined) => number {
  const begin = [...Buffer.from(`${job}\n${task}\n`)].reduce(hashed, 0x811c9dc5)
  return (slot, next) => {
    const seconds = Math.floor(slot / 1000)
    const fraction = mixed(hashed(hashed(begin, seconds), Math.floor(seconds / 2 ** 32))) / 2 ** 32
    const room = next === undefined ? limitSeconds : Math.min(limitSeconds, (next - slot) / 1000)
    return Math.floor(fraction * room) * 1000
  }
}

/** A step of FNV-1a (Fowler, Noll, Vo), with whole numbers in place of bytes. */
function hashed(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193)
}

/** The finalizer of MurmurHash3 for 32 bits. */
function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
