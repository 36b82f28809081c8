import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

/** A checkout of nothing but the setup, with an `npx` that only writes down how it was called. */
async function checkout(options: { readonly npx?: string; readonly command?: string } = {}) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'setup-')))
  onTestFinished(() => rm(root, { recursive: true }))
  const directory = join(root, "a user's checkout")
  await cp(import.meta.dirname, join(directory, 'tooling', 'setup'), { recursive: true })
  const install = `mkdir -p node_modules/node/bin && ln -sf '${process.execPath}' node_modules/node/bin/node && touch node_modules/.modules.yaml`
  const files = {
    'package.json': '{ "packageManager": "pnpm@99.0.1" }',
    'pnpm-lock.yaml': 'lockfileVersion: 9',
    'packages/cli/package.json': '{}',
    'packages/cli/src/main.ts': options.command ?? 'console.log(JSON.stringify(process.argv.slice(2)), process.cwd())\n',
    '../bin/npx': `#!/bin/sh\necho "$@" >> '${join(root, 'calls')}'\n${options.npx ?? install}\n`,
    '../bin/pnpm': '#!/bin/sh\nexit 1\n',
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  await chmod(join(root, 'bin', 'npx'), 0o755)
  await chmod(join(root, 'bin', 'pnpm'), 0o755)
  const begin = (words: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const path = [join(root, 'bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter)
    const child = spawn(process.execPath, [join(directory, 'tooling', 'setup', 'run.mjs'), ...words], {
      cwd: root,
      env: { PATH: path, INIT_CWD: root, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))
    const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal, ...said }))
    return { child, said, ended }
  }
  const calls = () => readFile(join(root, 'calls'), 'utf8').catch(() => '')
  return { root, directory, begin, calls, run: (...words: readonly string[]) => begin(words).ended }
}

describe.skipIf(process.platform === 'win32')('the setup', () => {
  test('refuses a verb it does not know, before it does anything', async () => {
    const { run, calls } = await checkout()
    expect(await run('constructor')).toMatchObject({ code: 2, stderr: expect.stringContaining('quickstart | test') })
    expect(await calls()).toBe('')
  })

  test('says which step failed, with which command, what it said, and how to do it by hand', async () => {
    const { run } = await checkout({ npx: 'echo the registry is far away >&2; exit 7' })
    const { code, stderr, stdout } = await run('backup-planet')
    expect(code).toBe(7)
    expect(stdout).toBe('')
    expect(stderr).toContain('the step "packages"')
    expect(stderr).toContain('npx -y --prefer-offline pnpm@99.0.1 install --frozen-lockfile')
    expect(stderr).toContain('the registry is far away')
    expect(stderr).toContain('By hand: npx -y pnpm@99.0.1 install --frozen-lockfile')
  })

  test('is quick and silent about what is already there, and hands arguments down as they are', async () => {
    const { run, calls, root } = await checkout()
    const first = await run('backup-planet', 'run', 'a job', '--json')
    expect(first).toMatchObject({ code: 0, stdout: `["run","a job","--json"] ${root}\n` })
    expect(first.stderr).toContain('installed what pnpm-lock.yaml says')
    const second = await run('backup-planet', 'run', 'a job', '--json')
    expect(second).toMatchObject({ code: 0, stdout: first.stdout, stderr: '' })
    expect((await calls()).trim().split('\n')).toHaveLength(1)
  })

  test('installs again when the lockfile has changed, and after an attempt that failed', async () => {
    const { run, calls, directory, root } = await checkout()
    await run('backup-planet')
    await writeFile(join(directory, 'pnpm-lock.yaml'), 'lockfileVersion: 10')
    const works = await readFile(join(root, 'bin', 'npx'), 'utf8')
    await writeFile(join(root, 'bin', 'npx'), `${works}\nexit 1\n`)
    expect(await run('backup-planet')).toMatchObject({ code: 1 })
    await writeFile(join(root, 'bin', 'npx'), works)
    expect(await run('backup-planet')).toMatchObject({ code: 0 })
    expect((await calls()).trim().split('\n')).toHaveLength(3)
  })

  test('refuses a benchmark it does not know, before it does anything', async () => {
    const { run, calls } = await checkout()
    expect(await run('bench', 'memroy')).toMatchObject({ code: 2, stderr: expect.stringContaining('mysql | memory') })
    expect(await calls()).toBe('')
  })

  test('runs the tests on the Node that BACKUP_PLANET_NODE names, and everything else on its own', async () => {
    const { begin, directory, root } = await checkout()
    const another = join(root, 'another', 'node')
    await mkdir(dirname(another))
    await writeFile(another, `#!/bin/sh\necho "another: $1 $(command -v node)"\n`, { mode: 0o755 })
    const vitest = join(directory, 'node_modules', 'vitest', 'vitest.mjs')
    const { stdout } = await begin(['test'], { BACKUP_PLANET_NODE: another }).ended
    expect(stdout).toContain(`another: ${vitest} ${another}`)
    const command = await begin(['backup-planet', 'list'], { BACKUP_PLANET_NODE: another }).ended
    expect(command.stdout).toBe(`["list"] ${root}\n`)
  })

  test('keeps the exit code of the command', async () => {
    const { run } = await checkout({ command: 'process.exitCode = 3\n' })
    expect(await run('backup-planet')).toMatchObject({ code: 3 })
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('passes %s on and waits until the command has tidied up', async (signal) => {
    const command = `process.on('${signal}', () => { console.log('tidied up'); process.exit(130) }); setInterval(() => {}, 1000); console.log('ready')\n`
    const { begin } = await checkout({ command })
    const { child, said, ended } = begin(['backup-planet'])
    await expect.poll(() => said.stdout, { timeout: 20_000 }).toBe('ready\n')
    child.kill(signal)
    expect(await ended).toMatchObject({ code: 130, stdout: 'ready\ntidied up\n' })
  })
})
