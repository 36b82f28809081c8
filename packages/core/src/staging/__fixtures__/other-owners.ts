import type { ProcessOwner } from '../process-owner.ts'

/** One that had the same number before, in the same place; only where a start is told. */
export function earlierProcess(owner: ProcessOwner): ProcessOwner {
  const [boot, , namespace] = owner.started.split('.')
  return { ...owner, started: `${boot}.1.${namespace}` }
}

/** One of another container on this machine that has the same host name. */
export function otherNamespace(owner: ProcessOwner): ProcessOwner {
  const [boot, ticks] = owner.started.split('.')
  return { ...owner, started: `${boot}.${ticks}.4026539999` }
}

/** One of another machine, or of this one before it was started anew. */
export function otherBoot(owner: ProcessOwner): ProcessOwner {
  const [, ticks, namespace] = owner.started.split('.')
  return { ...owner, started: `00000000.${ticks}.${namespace}` }
}

/** As an earlier release wrote it. */
export function withoutNamespace(owner: ProcessOwner): ProcessOwner {
  const [boot, ticks] = owner.started.split('.')
  return { ...owner, started: `${boot}.${ticks}` }
}
