import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually } from '../conformance/conformance-check.ts'
import { abortError, BackupError } from '../errors/backup-error.ts'
import { scriptedCommandRunner } from '../testing/scripted-command-runner.ts'
import type { FinishedRunFacts, Hook } from './hook.ts'
import { type HookedParts, runWithHooks } from './run-with-hooks.ts'

/** The programs run here are scripts of `sh`. */
const onWindows = process.platform === 'win32'

const facts = { job: 'shop', kind: 'log' } as const
const backup = { id: '20260724T020000Z-3f0c1a', kind: 'full', bytes: 4096, storedBytes: 512 } as const
const done: Pick<FinishedRunFacts, 'outcome' | 'backup'> = { outcome: 'done', backup }

function shell(script: string, more: Partial<Hook> = {}): Hook {
  return { command: ['sh', '-c', script], ...more }
}

function partsOf(hooks: HookedParts<string>['hooks'], more: Partial<HookedParts<string>> = {}): HookedParts<string> {
  return { hooks, facts, run: async () => 'result', finished: () => done, ...more }
}

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'hooks-'))
  try {
    await work(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

describe.skipIf(onWindows)('a hook that fails', () => {
  it('prevents the run when it is essential and before it, and hooks after the run clear away all the same', async () => {
    await withDirectory(async (directory) => {
      let ran = false
      const run = async () => {
        ran = true
        return 'result'
      }
      const before = [
        shell('echo frozen', { essential: true }),
        shell('echo "no such volume" >&2; exit 4', { essential: true }),
        shell(`touch ${directory}/third`),
      ]
      const after = [shell(`echo "$BACKUP_PLANET_OUTCOME $BACKUP_PLANET_CODE $BACKUP_PLANET_MESSAGE" > ${directory}/thawed`)]
      const ended = await runWithHooks(partsOf({ before, after }, { run }))
      expect(ran).toBe(false)
      expect(ended).toMatchObject({ outcome: 'failed', problems: [] })
      const message = 'hook 2 before the run: sh ended with exit code 4: no such volume; no backup was made, because this hook is essential'
      expect(ended.error).toMatchObject({ code: 'APPLICATION', message, hint: expect.stringMatching(/^Run sh by hand/) })
      expect(readFileSync(`${directory}/thawed`, 'utf8')).toBe(`failed APPLICATION ${message}\n`)
      expect(() => readFileSync(`${directory}/third`)).toThrow('ENOENT')
    })
  })

  it('is a warning when it is not essential, and an error when it is and the run is over', async () => {
    const told: string[] = []
    const hooks = {
      before: [shell('echo one; exit 1')],
      after: [shell('exit 2'), shell('kill -KILL $$', { essential: true }), { command: ['/no/such/program'] as const }],
    }
    const ended = await runWithHooks(partsOf(hooks), { onProblem: ({ severity, message }) => told.push(`${severity}: ${message}`) })
    expect(ended).toMatchObject({ outcome: 'partial', result: 'result' })
    expect(told).toEqual([
      'warning: hook 1 before the run: sh ended with exit code 1: one',
      'warning: hook 1 after the run: sh ended with exit code 2 and said nothing',
      'error: hook 2 after the run: sh was ended by SIGKILL and said nothing',
      'warning: hook 3 after the run: /no/such/program cannot be started: ENOENT',
    ])
    expect(ended.problems).toHaveLength(4)
  })

  it('does not change how a run ended that failed by itself', async () => {
    const failure = new BackupError('nobody answers', { code: 'UNREACHABLE' })
    const ended = await runWithHooks(partsOf({ after: [shell('exit 1', { essential: true })] }, { run: () => Promise.reject(failure) }))
    expect(ended).toMatchObject({ outcome: 'failed', error: failure })
  })

  it('shows the end of what it wrote, and no secret', async () => {
    const script = 'i=0; while [ $i -lt 4000 ]; do echo "line $i"; i=$((i+1)); done; echo "password sw0rdfish"; exit 1'
    const ended = await runWithHooks(partsOf({ before: [shell(script)] }, { secrets: () => ['sw0rdfish'] }))
    const [problem] = ended.problems
    expect(problem?.message).toMatch(/line 3999\npassword \*\*\*$/)
    expect(problem?.message.length).toBeLessThan(1100)
  })
})

describe.skipIf(onWindows)('a hook', () => {
  it('finds the facts of the run in its environment, and nothing of an outer run', async () => {
    process.env.BACKUP_PLANET_BACKUP = 'of an outer run'
    process.env.DATABASE_PASSWORD = 'secret'
    try {
      await withDirectory(async (directory) => {
        const print = (name: string) => shell(`env | grep -E "^(BACKUP_PLANET|DATABASE)_" | sort > ${directory}/${name}`)
        const hooks = { before: [print('before')], after: [print('after')] }
        await runWithHooks(partsOf(hooks, { environment: { DATABASE_PASSWORD: undefined } }))
        expect(readFileSync(`${directory}/before`, 'utf8')).toBe(
          'BACKUP_PLANET_HOOK=before\nBACKUP_PLANET_JOB=shop\nBACKUP_PLANET_KIND=log\n',
        )
        expect(readFileSync(`${directory}/after`, 'utf8').split('\n')).toEqual([
          'BACKUP_PLANET_BACKUP=20260724T020000Z-3f0c1a',
          'BACKUP_PLANET_BYTES=4096',
          'BACKUP_PLANET_HOOK=after',
          'BACKUP_PLANET_JOB=shop',
          'BACKUP_PLANET_KIND=full',
          'BACKUP_PLANET_OUTCOME=done',
          'BACKUP_PLANET_SECONDS=0',
          'BACKUP_PLANET_STORED_BYTES=512',
          '',
        ])
      })
    } finally {
      delete process.env.BACKUP_PLANET_BACKUP
      delete process.env.DATABASE_PASSWORD
    }
  })

  it('is stopped with all that it started when it takes too long', async () => {
    await withDirectory(async (directory) => {
      const hook = shell(`sleep 1000 & echo $! > ${directory}/pid; wait`, { timeoutMs: 500, essential: true })
      const ended = await runWithHooks(partsOf({ before: [hook] }))
      expect(ended.error).toMatchObject({ code: 'TIMED_OUT', message: expect.stringContaining('did not end within 500 ms') as string })
      await eventually(() => isGone(Number(readFileSync(`${directory}/pid`, 'utf8'))), 'what the hook started has ended')
    })
  })
})

describe.skipIf(onWindows)('an abort', () => {
  it('ends the hook before the run with all that it started, and the hooks after it are run', async () => {
    await withDirectory(async (directory) => {
      const controller = new AbortController()
      const before = [shell(`sleep 1000 & echo $! > ${directory}/pid; wait`)]
      const after = [shell(`echo "$BACKUP_PLANET_OUTCOME" > ${directory}/outcome`)]
      const running = runWithHooks(partsOf({ before, after }), { signal: controller.signal })
      const pid = () => Number(readFileSync(`${directory}/pid`, 'utf8'))
      await eventually(() => {
        try {
          return pid() > 0
        } catch {
          return false
        }
      }, 'the hook runs')
      controller.abort()
      expect(await running).toMatchObject({ outcome: 'aborted', error: { code: 'ABORTED' } })
      expect(isGone(pid())).toBe(true)
      expect(readFileSync(`${directory}/outcome`, 'utf8')).toBe('aborted\n')
    })
  })

  it('that nobody asked for, such as by a limit of time, is a failure with the code of that', async () => {
    await withDirectory(async (directory) => {
      const after = [shell(`echo "$BACKUP_PLANET_OUTCOME $BACKUP_PLANET_CODE $BACKUP_PLANET_MESSAGE" > ${directory}/outcome`)]
      const signal = AbortSignal.abort(new BackupError('took too long', { code: 'TIMED_OUT' }))
      const run = async () => {
        throw abortError(signal, 'the backup')
      }
      expect(await runWithHooks(partsOf({ after }, { run }), { signal })).toMatchObject({ outcome: 'failed' })
      expect(readFileSync(`${directory}/outcome`, 'utf8')).toBe('failed TIMED_OUT took too long\n')
    })
  })

  it('during a hook after the run lets it clear away to its end', async () => {
    await withDirectory(async (directory) => {
      const controller = new AbortController()
      const wait = `touch ${directory}/begun; until test -e ${directory}/go; do sleep 0.05; done; touch ${directory}/first`
      const after = [shell(wait), shell(`touch ${directory}/second`)]
      const running = runWithHooks(partsOf({ after }), { signal: controller.signal, afterAbortMs: 60_000 })
      await eventually(() => existsSync(`${directory}/begun`), 'the hook runs')
      controller.abort()
      writeFileSync(`${directory}/go`, '')
      expect(await running).toMatchObject({ outcome: 'done', result: 'result', problems: [] })
      expect([existsSync(`${directory}/first`), existsSync(`${directory}/second`)]).toEqual([true, true])
    })
  })

  it('gives hooks after the run the time that is allowed, of which one that hangs takes no more than its share', async () => {
    await withDirectory(async (directory) => {
      const controller = new AbortController()
      const after = [shell(`touch ${directory}/begun; sleep 1000`), shell(`touch ${directory}/second`)]
      const running = runWithHooks(partsOf({ after }), { signal: controller.signal, afterAbortMs: 8000 })
      await eventually(() => existsSync(`${directory}/begun`), 'the hook runs')
      const before = performance.now()
      controller.abort()
      expect(await running).toMatchObject({ outcome: 'done', result: 'result', problems: [{ code: 'ABORTED', severity: 'warning' }] })
      expect(performance.now() - before).toBeGreaterThan(3900)
      expect(existsSync(`${directory}/second`)).toBe(true)
    })
  })

  it('beforehand runs neither hook nor run, but what clears away', async () => {
    const runner = scriptedCommandRunner([{ command: 'thaw' }])
    const hooks = { before: [{ command: ['freeze'] as const }], after: [{ command: ['thaw'] as const }] }
    const ended = await runWithHooks(partsOf(hooks, { runner }), { signal: AbortSignal.abort() })
    expect(ended).toMatchObject({ outcome: 'aborted', error: { code: 'ABORTED' } })
    runner.assertAllRun()
    expect(runner.calls[0]?.command.timeoutMs).toBe(300_000)
  })
})

it('runs everything in order, arguments as they are, and hands on the result', async () => {
  const odd = ['$(id)', '; rm -rf x', 'two words', '']
  const script = ['a', 'b', 'c', 'd'].map((command) => ({ command }))
  const runner = scriptedCommandRunner([{ command: 'a', arguments: odd }, ...script.slice(1)])
  const order: string[] = []
  const hooks = {
    before: [{ command: ['a', ...odd] as const }, { command: ['b'] as const }],
    after: [{ command: ['c'] as const, timeoutMs: 7 }, { command: ['d'] as const }],
  }
  const run = async () => {
    order.push(...runner.calls.map(({ command }) => command.command))
    return 'result'
  }
  expect(await runWithHooks(partsOf(hooks, { run, runner }))).toMatchObject({ outcome: 'done', result: 'result', problems: [] })
  expect(order).toEqual(['a', 'b'])
  runner.assertAllRun()
  expect(runner.calls.map(({ command }) => command.timeoutMs)).toEqual([300_000, 300_000, 7, 300_000])
})
