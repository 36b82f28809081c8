import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from '../__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

test.each(['bash', 'zsh', 'fish'])('completion for %s knows every command', async (shell) => {
  const { code, stdout } = await here.run(['completion', shell])
  expect(code).toBe(0)
  for (const word of ['restore', 'verify', 'read-data', 'config']) expect(stdout).toContain(word)
})

test.skipIf(process.platform === 'win32').each([
  ['backup-planet', 're', 'restore'],
  ['backup-planet restore', '--ren', '--rename'],
  ['backup-planet --json run shop', '--pl', '--plan'],
  ['backup-planet --config other.yaml', 're', 'restore'],
  ['backup-planet run --kind', 'f', 'full'],
  ['backup-planet completion', '', 'bash\nzsh\nfish'],
  ['backup-planet run', '', 'shop'],
  ['backup-planet restore shop --to', '', 'source\nscratch'],
  ['backup-planet files shop --to', '', ''],
])('bash completes %j %j to %j', async (before, current, completed) => {
  const script = join(here.directory, 'completion.bash')
  await writeFile(script, (await here.run(['completion', 'bash'])).stdout)
  const words = [...before.split(' '), current]
  // In place of the command that the script asks for names, which would be found on the PATH.
  const jobs = (await here.run(['completion', 'bash', '--names', 'jobs'])).stdout.trim()
  const targets = (await here.run(['completion', 'bash', '--names', 'targets'])).stdout.trim()
  const stub = `backup-planet() { case "$*" in *targets*) echo '${targets}' ;; *jobs*) echo '${jobs}' ;; esac; }`
  const ask = `${stub}; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _backup_planet; printf '%s\\n' "\${COMPREPLY[@]}"`
  expect(execFileSync('bash', ['--norc', '-c', ask, 'bash', script, ...words], { encoding: 'utf8' })).toBe(`${completed}\n`)
})
