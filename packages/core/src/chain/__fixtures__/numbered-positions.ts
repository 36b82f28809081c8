import type { Backup, Position, PositionOrder } from '../../contracts/index.ts'

export function at(chain: string, number: number): Position {
  return { chain, value: { number: String(number) } }
}

export function numberOf({ value }: Position): number {
  return Number(value.number)
}

/** Numbers of one chain. */
export const numbered: PositionOrder = (a, b) => {
  if (a.chain !== b.chain) return undefined
  const difference = numberOf(a) - numberOf(b)
  return Number.isNaN(difference) ? undefined : difference < 0 ? -1 : difference > 0 ? 1 : 0
}

/** Minutes after ten o'clock of one day, as tests read them. */
export function minute(minutes: number): string {
  return new Date(Date.UTC(2026, 10, 22, 10, minutes)).toISOString()
}

export type BackupSketch = Pick<Backup, 'id' | 'kind' | 'consistentAt'> & Partial<Backup>

/** A whole backup with the items a and b, a hundred bytes each. */
export function sketched(sketch: BackupSketch): Backup {
  return {
    format: 'backup-planet/manifest/1',
    job: 'shop',
    application: 'test',
    agent: { version: '1' },
    source: { id: 's', name: 's', version: '1' },
    status: 'complete',
    beganAt: sketch.consistentAt,
    endedAt: sketch.consistentAt,
    items: ['a', 'b'].map((item) => ({ item, bytes: 100, facts: {} })),
    facts: {},
    storage: {},
    ...sketch,
  }
}

const failure = { code: 'APPLICATION', message: 'it broke' } as const

/** The same with item b lost. */
export function withoutItemB(backup: Backup): Backup {
  return {
    ...backup,
    status: 'partial',
    items: backup.items.map((item) => (item.item === 'b' ? { item: 'b', facts: {}, failure } : item)),
  }
}
