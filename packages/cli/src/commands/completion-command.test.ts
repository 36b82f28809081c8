import { execFileSync, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from '../__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

const scriptFor = async (shell: Shell) => (await here.run(['completion', shell])).stdout

describe.each(shells)('completion for %s, by its text', (shell) => {
  test('knows every command and every option of it', async () => {
    const script = await scriptFor(shell)
    for (const word of [
      'init',
      'run',
      'restore',
      'verify',
      'files',
      'read-data',
      'rename',
      'config',
      'prune',
      'passwd',
      'new-password-file',
    ])
      expect(script).toContain(word)
    expect(script).not.toContain('names <what>')
  })

  test('asks for jobs and targets, and knows every option that takes a value', async () => {
    const script = await scriptFor(shell)
    expect(script).toMatch(/names (jobs|\$argv\[1\])/)
    for (const flag of [
      'config',
      'kind',
      'item',
      'to',
      'backup',
      'at',
      'rename',
      'table',
      'option',
      'agent',
      'job',
      'repository',
      'names',
    ]) {
      expect(script).toMatch(new RegExp(`(^|[|\\s])--${flag}[|)\\s]`, 'm'))
    }
    // The position of a word says nothing: options come before it.
    expect(script).not.toMatch(/\$words\[2\]|CURRENT == 2|COMP_WORDS\[1\]/)
  })

  test('has its quotes and blocks closed', async () => {
    const script = await scriptFor(shell)
    for (const line of script.split('\n').filter((text) => !text.startsWith('#'))) {
      expect(line.replaceAll(/"[^"]*"/g, '').split("'").length % 2, line).toBe(1)
    }
    const count = (pattern: RegExp) => script.match(pattern)?.length ?? 0
    if (shell === 'fish') expect(count(/^ *(function|for|if|switch)\b/gm)).toBe(count(/^ *end$/gm))
    else
      for (const [begin, end] of [
        [/\bcase \S+ in\b/g, /\besac\b/g],
        [/\bif \[\[/g, /\bfi\b/g],
        [/; do$/gm, /^ *done$/gm],
      ] as const)
        expect(count(begin)).toBe(count(end))
  })
})

const completions: readonly (readonly [before: string, current: string, completed: string])[] = [
  ['backup-planet', 're', 'rebuild-index report restore'],
  ['backup-planet restore', '--ren', '--rename'],
  ['backup-planet --json run shop', '--pl', '--plan'],
  ['backup-planet --config other.yaml', 'res', 'restore'],
  ['backup-planet --config other.yaml run', '--pl', '--plan'],
  ['backup-planet --config other.yaml run', '', 'other'],
  [
    'backup-planet --js',
    '',
    'init discover check run follow daemon status list windows restore files verify drill evidence copy prune stats report key unlock rebuild-index notify completion version',
  ],
  ['backup-planet run --kind', 'f', 'full'],
  ['backup-planet completion', '', 'bash fish zsh'],
  ['backup-planet run', '', 'shop'],
  ['backup-planet restore shop --to', '', 'scratch source'],
  ['backup-planet prune --repository', '', 'local offsite'],
  ['backup-planet copy shop --to', '', 'local offsite'],
  ['backup-planet key', '', 'add list passwd remove'],
  ['backup-planet key add', '--new', '--new-password-file'],
  ['backup-planet key add --repository', 'off', 'offsite'],
  ['backup-planet init --repository-kind', 'a', 'archive'],
]

/** What `--names` of the command prints, which would be found on the PATH. */
const jobs = (configuration: string) =>
  `case "$*" in *'${configuration}'*) echo other ;; *jobs*) echo shop ;; *targets*) echo source; echo scratch ;; *repositories*) echo local; echo offsite ;; esac`

const asking: Readonly<Record<Shell, (script: string, before: readonly string[], current: string) => readonly string[]>> = {
  bash: (script, before, current) => [
    '--norc',
    '-c',
    `backup-planet() { ${jobs('other.yaml')}; }; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _backup_planet; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    script,
    ...before,
    current,
  ],
  // Its own compadd and _describe work only inside of its line editor.
  zsh: (script, before, current) => [
    '-f',
    '-c',
    `backup-planet() { ${jobs('other.yaml')}; }; compdef() { : }; matching() { local name; for name in "$@"; do [[ $name == "$words[CURRENT]"* ]] && print -r -- "$name"; done; return 0 }
     compadd() { shift; matching "$@" }; _describe() { [[ $1 == -o ]] && shift; matching "\${(@)\${(P@)2}%%:*}" }; _files() { : }
     source "$1"; shift; words=("$@"); CURRENT=$#; _backup-planet`,
    'zsh',
    script,
    ...before,
    current,
  ],
  fish: (script, before, current) => [
    '--no-config',
    '-c',
    `function backup-planet; switch "$argv"; case '*other.yaml*'; echo other; case '*jobs*'; echo shop; case '*targets*'; echo source; echo scratch; case '*repositories*'; echo local; echo offsite; end; end
     source $argv[1]; complete -C "$argv[2]"`,
    script,
    `${before.join(' ')} ${current}`,
  ],
}

const installed = shells.filter((shell) => process.platform !== 'win32' && spawnSync(shell, ['-c', 'true']).status === 0)

/** Where a shell is not installed, its script is only read: above. */
describe.each(installed)('completion for %s, in the shell', (shell) => {
  test.each(completions)('completes %j %j to %j', async (before, current, completed) => {
    const script = join(here.directory, `completion.${shell}`)
    await writeFile(script, await scriptFor(shell))
    const printed = execFileSync(shell, asking[shell](script, before.split(' '), current), {
      encoding: 'utf8',
      env: { ...process.env, HOME: here.directory },
    })
    const found = printed
      .split('\n')
      .map((line) => line.split('\t')[0] ?? '')
      .filter((name) => name !== '')
    expect(found.toSorted()).toEqual(completed.split(' ').toSorted())
  })
})

test('the names that scripts ask for are those of the configuration, and nothing is connected to', async () => {
  expect((await here.run(['completion', 'zsh', '--names', 'jobs'])).stdout).toBe('shop\n')
  expect((await here.run(['completion', 'fish', '--names', 'targets'])).stdout).toBe('source\nscratch\n')
  expect((await here.run(['completion', 'bash', '--names', 'repositories'])).stdout).toBe('local\n')
  expect((await here.run(['--no-config', 'completion', 'bash', '--names', 'jobs', '--config', '/nowhere/x.yaml'])).code).toBe(2)
})
