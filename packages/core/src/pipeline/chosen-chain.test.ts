import { describe, expect, test } from 'vitest'
import { at, minute, numbered, sketched, withoutItemB } from '../chain/__fixtures__/numbered-positions.ts'
import { planChain } from '../chain/plan-chain.ts'
import type { Backup } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { Calls, RecordingRepository } from './__fixtures__/recording-parts.ts'
import { type ChosenChain, chooseChain } from './chosen-chain.ts'
import { planGoal } from './goal-chain.ts'
import type { RestoreGoal } from './restore-goal.ts'

const full = sketched({ id: 'full', kind: 'full', consistentAt: minute(0), position: at('c', 10) })
const log1 = sketched({ id: 'log1', kind: 'log', consistentAt: minute(10), from: at('c', 10), position: at('c', 20) })
const log2 = sketched({ id: 'log2', kind: 'log', consistentAt: minute(20), from: at('c', 20), position: at('c', 30) })
const other = sketched({ id: 'other', kind: 'full', consistentAt: minute(40), position: at('d', 5) })
const all = [full, log1, log2, other]

interface Given {
  readonly backups?: Readonly<Record<string, readonly Backup[]>>
  readonly canStop?: boolean
  readonly ordered?: boolean
  readonly items?: readonly string[]
}

function chosen(to: RestoreGoal, { backups = { near: all }, canStop = true, ordered = true, items }: Given = {}): ChosenChain {
  const repository = new RecordingRepository(new Calls())
  const supports = { kinds: ['full', 'log'] as const, pointInTime: canStop, rename: true }
  return chooseChain({
    agent: { application: 'test', supports, ...(ordered ? { comparePositions: numbered } : {}) },
    job: 'shop',
    listed: Object.entries(backups).map(([name, list]) => ({ name, repository, backups: list })),
    to,
    ...(items === undefined ? {} : { items }),
  })
}

function refused(to: RestoreGoal, given?: Given): BackupError {
  try {
    chosen(to, given)
  } catch (error) {
    if (BackupError.is(error)) return error
    throw error
  }
  throw new Error('it was not refused')
}

const ids = (chain: ChosenChain) => chain.chosen.map(({ backup }) => backup.id)

test('a position is looked for in all histories with one look at the backups', () => {
  let asked = 0
  const order: typeof numbered = (a, b) => {
    asked++
    return numbered(a, b)
  }
  const history = { listings: [{ repository: 'near', backups: all }], order }
  planChain(history, { position: at('c', 25) })
  const once = asked
  asked = 0
  expect(planGoal(history, { position: { value: { number: '25' } } }, true)).toMatchObject({ possible: true })
  expect(asked).toBeLessThan(2 * once)
})

describe('a goal', () => {
  test('is reached by the backups of all repositories together, each read where it is', () => {
    const chain = chosen({ at: minute(15) }, { backups: { near: [full, log2], far: [full, log1] } })
    expect(chain.chosen.map(({ backup, from }) => `${backup.id} from ${from.name}`)).toEqual([
      'full from near',
      'log1 from far',
      'log2 from near',
    ])
    expect(chain.stop).toEqual({ before: minute(15) })
  })

  test('is the latest state, that of a backup, or a position of the newest history that holds it', () => {
    expect(ids(chosen({ latest: true }))).toEqual(['other'])
    expect(ids(chosen({ latest: true, chain: 'c' }))).toEqual(['full', 'log1', 'log2'])
    expect(ids(chosen({ backup: 'log1' }))).toEqual(['full', 'log1'])
    expect(chosen({ position: { value: { number: '25' } } })).toMatchObject({ stop: { position: at('c', 25) } })
    expect(chosen({ beforePosition: { value: { number: '20' } } })).toMatchObject({ stop: { beforePosition: at('c', 20) } })
    expect(ids(chosen({ position: { value: { number: '5' } } }))).toEqual(['other'])
  })

  test('that cannot be reached is refused with the reason, and what is nearest before and after', () => {
    const error = refused({ at: minute(35) })
    expect([error.code, error.message, error.hint]).toEqual([
      'NOT_FOUND',
      `job shop cannot be restored to ${minute(35)}: the moment ${minute(35)} lies in a gap: what can be restored before it ends at ${minute(20)}, and begins again at ${minute(40)}`,
      `The nearest that can be restored is ${minute(20)} before it, and ${minute(40)} after it.`,
    ])
    expect(refused({ at: minute(-1) }).hint).toBe(`The nearest that can be restored is ${minute(0)}, after it.`)
    expect(refused({ at: minute(41) }).hint).toBe(`The nearest that can be restored is ${minute(40)}, before it.`)
    expect(refused({ latest: true }, { backups: { near: [log1] } }).hint).toContain('make a full backup')
    expect(refused({ backup: 'none' })).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('there is no backup none') })
  })

  test('that is a position says which positions are nearest, in whichever history it could be', () => {
    expect(refused({ position: { value: { number: '31' } } })).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^job shop cannot be restored to the position number 31: the position number 31 of \w lies after/),
    })
    expect(refused({ position: { value: { number: '25' } } }, { backups: { near: [full, log1, other] } }).hint).toMatch(
      /^The nearest that can be restored is .* \(number \d+, the end of backup \w+\), before it\.$/,
    )
    expect(refused({ position: { chain: 'e', value: { number: '5' } } }).message).toContain('cannot be restored to the position number 5')
    expect(refused({ beforePosition: { value: { number: 'x' } } })).toMatchObject({ code: 'NOT_FOUND' })
    expect(refused({ position: { value: { number: '5' } } }, { backups: { near: [] } })).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('that is the latest state says what is newer, and there only in part', () => {
    const partial = withoutItemB(sketched({ id: 'partial', kind: 'full', consistentAt: minute(50), position: at('d', 9) }))
    const chain = chosen({ latest: true }, { backups: { near: [...all, partial] } })
    expect([ids(chain), chain.warnings]).toEqual([
      ['other'],
      [
        {
          code: 'newer-partial',
          message: `The backup partial of ${minute(50)} is newer and not whole, b failed: it is restored only when it is named.`,
        },
      ],
    ])
    expect(chosen({ latest: true }, { backups: { near: [...all, partial] }, items: ['a'] }).warnings).toEqual([])
  })

  test('that is an item nobody has is refused with the nearest one', () => {
    expect(refused({ latest: true }, { items: ['bb'] })).toMatchObject({ code: 'NOT_FOUND', hint: 'Did you mean "b"?' })
    expect(ids(chosen({ latest: true }, { items: ['a'], backups: { near: [full, withoutItemB(log1)] } }))).toEqual(['full', 'log1'])
  })
})

describe('the nearest moment', () => {
  test('stands for one that cannot be restored, with a warning, and only then', () => {
    const chain = chosen({ at: minute(35), nearest: true })
    expect([ids(chain), chain.stop]).toEqual([['full', 'log1', 'log2'], undefined])
    expect(chain.warnings).toEqual([
      { code: 'nearest', message: `The moment ${minute(35)} cannot be restored; this is ${minute(20)}, the nearest before it that can.` },
    ])
    expect(chosen({ at: minute(15), nearest: true })).toMatchObject({ stop: { before: minute(15) }, warnings: [] })
    expect(refused({ at: minute(-1), nearest: true }).code).toBe('NOT_FOUND')
  })
})

describe('an agent that cannot stop inside a backup', () => {
  const given = { canStop: false }

  test('is never asked to, and what is nearest as a whole is named', () => {
    const error = refused({ at: minute(15) }, given)
    expect([error.code, error.message, error.hint]).toEqual([
      'UNSUPPORTED',
      `job shop cannot be restored to ${minute(15)}: that lies inside a backup, and the agent for test can only restore backups as a whole`,
      `The nearest that can be restored is ${minute(10)} (backup log1) before it, and ${minute(20)} (backup log2) after it.`,
    ])
    expect(refused({ beforePosition: { value: { number: '20' } } }, given).code).toBe('UNSUPPORTED')
  })

  test('gets to the moments at which backups end, and to the nearest of them', () => {
    expect(ids(chosen({ at: minute(10) }, given))).toEqual(['full', 'log1'])
    const chain = chosen({ at: minute(15), nearest: true }, given)
    expect([ids(chain), chain.stop, chain.warnings.map(({ code }) => code)]).toEqual([['full', 'log1'], undefined, ['nearest']])
    expect(ids(chosen({ at: minute(45), nearest: true }, given))).toEqual(['other'])
  })
})

test('where nobody orders positions and none fits exactly, the agent is left to find out', () => {
  const wide = sketched({ id: 'wide', kind: 'log', consistentAt: minute(30), from: at('c', 15), position: at('c', 40) })
  const backups = { near: [full, log1], far: [wide] }
  expect(ids(chosen({ backup: 'wide' }, { backups, ordered: false }))).toEqual(['full', 'log1', 'wide'])
  expect(ids(chosen({ backup: 'wide' }, { backups }))).toEqual(['full', 'log1', 'wide'])
  expect(refused({ backup: 'wide' }, { backups: { near: [full, wide] } }).message).toContain('begins at number 15')
})
