import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { commandLineOf, sampleConfiguration } from '../__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
  vi.stubEnv('XDG_CACHE_HOME', here.directory)
})
afterEach(() => {
  vi.unstubAllEnvs()
  return here[Symbol.asyncDispose]()
})

describe('init', () => {
  test.each([
    [[], 'restic', 'password'],
    [['--repository-kind', 'archive'], 'archive', 'passphrase'],
  ])('with %j writes a configuration that works as it is, only for its owner', async (more, kind, word) => {
    const file = join(here.directory, 'new', 'backup-planet.yaml')
    const { code, stdout } = await here.run(['--no-config', '--config', file, 'init', '--agent', 'sample', '--job', 'shop', ...more])
    expect(code).toBe(0)
    expect(await readFile(file, 'utf8')).toContain(`kind: ${kind}\n`)
    expect(stdout).toContain(`Keep a copy of the ${word} somewhere else`)
    expect(stdout).toContain(`\n     and set SAMPLE_PASSWORD in the environment, or write \${file:/path} in its place\n  2. `)
    for (const name of ['backup-planet.yaml', `backup-planet-${word}`]) {
      expect((await stat(join(here.directory, 'new', name))).mode & 0o777).toBe(process.platform === 'win32' ? 0o666 : 0o600)
    }
    expect(await readFile(file, 'utf8')).not.toContain(
      (await readFile(join(here.directory, 'new', `backup-planet-${word}`), 'utf8')).trim(),
    )
    const config = ['--no-config', '--config', file]
    expect(await here.run([...config, 'check'])).toMatchObject({ code: 0, stderr: '' })
    expect(await here.run([...config, 'run', 'shop'])).toMatchObject({ code: 0 })
    expect(await here.run([...config, 'verify', '--read-data'])).toMatchObject({ code: 0 })
  })

  test('a disk that is not mounted is noticed by every command, and nothing is written in its place', async () => {
    const file = join(here.directory, 'new', 'backup-planet.yaml')
    const mounted = join(here.directory, 'disk', 'backups')
    const config = ['--no-config', '--config', file]
    await here.run([...config, 'init', '--agent', 'sample', '--job', 'shop', '--repository', mounted])
    await rm(join(here.directory, 'disk'), { recursive: true })
    const check = await here.run([...config, 'check'])
    expect(check).toMatchObject({ code: 1, stdout: expect.stringMatching(/error: NOT_FOUND\n.*\n {2}hint: .*mounted/) })
    for (const words of [['run', 'shop'], ['list'], ['verify']]) {
      expect(await here.run([...config, ...words])).toMatchObject({ code: 1, stderr: expect.stringContaining('mounted') })
    }
    await expect(stat(mounted)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a file in the place of a folder is named, and no mistake of the program', async () => {
    const inTheWay = join(here.directory, 'a file')
    await writeFile(inTheWay, '')
    const config = ['--no-config', '--config', join(here.directory, 'new', 'backup-planet.yaml')]
    for (const repository of [inTheWay, join(inTheWay, 'below')]) {
      const { code, stderr } = await here.run([...config, 'init', '--agent', 'sample', '--repository', repository])
      expect(stderr).toMatch(/^failed: ACCESS_DENIED\n {2}.*a file.* cannot be created \(E[A-Z]+\)\n {2}hint: Name another place/)
      expect(code).toBe(1)
    }
    await expect(stat(join(here.directory, 'new', 'backup-planet.yaml'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('never replaces anything', async () => {
    const before = await readFile(here.file, 'utf8')
    expect(await here.run(['init', '--agent', 'sample'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('failed: ALREADY_EXISTS'),
    })
    expect(await readFile(here.file, 'utf8')).toBe(before)
    expect(await readdir(here.directory)).toEqual(['backup-planet.yaml'])
  })

  test.each([
    ['restic', 'password'],
    ['archive', 'passphrase'],
  ])('goes on using the secret of a %s repository that is there, since older backups need it', async (kind, word) => {
    const file = join(here.directory, 'again', 'backup-planet.yaml')
    const argv = ['--no-config', '--config', file, 'init', '--agent', 'sample', '--repository-kind', kind]
    await here.run(argv)
    const passphrase = await readFile(join(here.directory, 'again', `backup-planet-${word}`), 'utf8')
    expect(passphrase).toMatch(/^[\w-]{43}\n$/)
    await rm(file)
    expect(await here.run(argv)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`the ${word} that was there already is used`),
    })
    expect(await readFile(join(here.directory, 'again', `backup-planet-${word}`), 'utf8')).toBe(passphrase)
  })

  test('does not put the passphrase beside the backups', async () => {
    const folder = join(here.directory, 'all')
    await mkdir(folder)
    const argv = ['--no-config', '--config', join(folder, 'x.yaml'), 'init', '--agent', 'sample', '--repository', folder]
    expect(await here.run(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('would lie inside the repository') })
    expect(await readdir(folder)).toEqual([])
    const plain = await here.run([...argv, '--repository-kind', 'archive', '--no-encryption'])
    expect(plain).toMatchObject({ code: 0, stdout: expect.stringContaining('begins with the first backup') })
    expect(await readdir(folder)).toEqual(['x.yaml'])
  })

  test('leaves a repository with another password as it is, and its own password file out of the way', async () => {
    const first = ['--no-config', '--config', join(here.directory, 'first', 'x.yaml'), 'init', '--agent', 'sample']
    await here.run(first)
    const folder = join(here.directory, 'second')
    const second = ['--no-config', '--config', join(folder, 'x.yaml'), 'init', '--agent', 'sample']
    const place = ['--repository', join(here.directory, 'first', 'backups')]
    const { code, stderr } = await here.run([...second, ...place])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^failed: WRONG_CREDENTIALS\n.*another password.*\n {2}hint: .*second.backup-planet-password/)
    expect(await readdir(folder)).toEqual([])
    const password = await readFile(join(here.directory, 'first', 'backup-planet-password'))
    await writeFile(join(folder, 'backup-planet-password'), password, { mode: 0o600 })
    expect(await here.run([...second, ...place])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('was there already, and opens'),
    })
  })

  test('creates the repositories of a configuration that is there, and is without effect the second time', async () => {
    await writeFile(join(here.directory, 'password'), 'a password\n', { mode: 0o600 })
    const password = JSON.stringify(`\${file:${join(here.directory, 'password')}}`)
    const repositories = `repositories:
  local: { kind: archive, destination: ./backups }
  offsite: { kind: restic, destination: ./offsite, password: ${password} }
  away: { kind: restic, destination: ./not-mounted, password: ${password}, uploader: { settings: { createDirectory: false } } }
`
    await writeFile(here.file, sampleConfiguration.replace(/^repositories:\n.*\n/, repositories))
    const check = await here.run(['check'])
    expect(check.code).toBe(0)
    const { code, lines, stderr } = await here.run(['init', '--json'])
    expect(code).toBe(1)
    expect(stderr).toContain('the repository "away" cannot be created')
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      written: false,
      repositories: [
        { name: 'local', state: 'later' },
        { name: 'offsite', state: 'created' },
      ],
    })
    await mkdir(join(here.directory, 'not-mounted'))
    const again = await here.run(['init'])
    expect(again.code).toBe(0)
    expect(again.stdout).toMatch(/"offsite" in .*: was there already, and opens\n.*"away" in .*: created\n$/)
  })
})
