import { access, readFile } from 'node:fs/promises'
import type { Command, CommandRunner } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { mysqlAgentSettingsSchema } from '../mysql-agent-settings.ts'
import { replayThroughTools } from './log-replay-pipe.ts'

it('forgets the password as soon as the client answers, long before the replay has ended', async () => {
  const seen: string[] = []
  const run = async ({ arguments: [first = ''] = [], stdout, input, secrets }: Command) => {
    const path = first.replace('--defaults-file=', '')
    expect(await readFile(path, 'utf8')).toContain('password="secret"')
    expect(secrets).toEqual(['secret'])
    for await (const chunk of input as AsyncIterable<Uint8Array>) {
      seen.push(Buffer.from(chunk).toString())
      if (typeof stdout === 'function') await stdout(Buffer.from('1\n'))
      await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' })
    }
    return {
      exitCode: 0,
      signal: null,
      stdout: '',
      stderr: '',
      stdoutOmittedBytes: 0,
      stderrOmittedBytes: 0,
      stdoutEnded: true,
    }
  }
  await replayThroughTools(noLogs(), {
    settings: mysqlAgentSettingsSchema.parse({ user: 'u', password: 'secret' }),
    tools: { flavour: 'mariadb', binlog: 'b', client: 'c', version: '' },
    runner: { run } as unknown as CommandRunner,
    setup: ['SET x = 1'],
  })
  expect(seen).toEqual(['SELECT 1;\nSET x = 1;\n'])
})

async function* noLogs(): AsyncGenerator<never, void, void> {}
