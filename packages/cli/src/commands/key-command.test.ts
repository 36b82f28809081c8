import { chmod, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cheapResticPassword } from '@backup-planet/tooling/cheap-restic-repository'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineWithRestic, removeResticTemplate } from '../__fixtures__/restic-configuration.ts'

const offsite = ['--repository', 'offsite']

let here: Awaited<ReturnType<typeof commandLineWithRestic>>
beforeEach(async () => {
  here = await commandLineWithRestic()
})
afterEach(() => here[Symbol.asyncDispose]())
afterAll(removeResticTemplate)

async function passwordIn(name: string, text: string): Promise<string> {
  const file = join(here.directory, name)
  await writeFile(file, text, { mode: 0o600 })
  return file
}

async function keys(): Promise<readonly { readonly id: string; readonly current: boolean }[]> {
  const { lines } = await here.run(['key', 'list', ...offsite, '--json'])
  return lines.at(-1)?.keys as never
}

describe('keys', () => {
  test('are added, listed and removed, and never shown', async () => {
    const file = await passwordIn('second', 'a second password\n')
    const added = await here.run(['key', 'add', ...offsite, '--new-password-file', file, '--json'])
    expect(added).toMatchObject({ code: 0, lines: [{ type: 'result', command: 'key add', repository: 'offsite' }] })
    expect(added.stdout + added.stderr).not.toContain('a second password')
    const id = String(added.lines[0]?.id)
    const listed = await here.run(['key', 'list', ...offsite])
    expect(listed.stdout).toMatch(/^ +ID +CREATED +HOST +USER\n/)
    expect(listed.stdout.match(/^\*/gm)).toHaveLength(1)
    expect(listed.stdout).toMatch(new RegExp(`^ +${id.slice(0, 8)} `, 'm'))
    expect(await here.run(['key', 'remove', id.slice(0, 8), ...offsite])).toMatchObject({ code: 0 })
    expect(await keys()).toMatchObject([{ current: true }])
  })

  test('the one in use and one that is not there are not removed', async () => {
    const [only] = await keys()
    expect(await here.run(['key', 'remove', only?.id ?? '', ...offsite])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CONFLICT'),
    })
    expect(await here.run(['key', 'remove', 'abcdef', ...offsite])).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_FOUND') })
    expect(await keys()).toHaveLength(1)
  })

  test('a kind that has none says so', async () => {
    const { code, stderr } = await here.run(['key', 'list', '--repository', 'local'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^failed: UNSUPPORTED\n {2}the repository "local" is of kind archive, .*\n {2}hint: .*copy --to/)
  })

  test('of several repositories one has to be named', async () => {
    expect(await here.run(['key', 'list'])).toMatchObject({ code: 2, stderr: expect.stringContaining('one of: local, offsite') })
  })

  test.each([
    ['', 'is empty'],
    ['two\nlines\n', 'more than one line'],
    [' p4d', 'blanks at its beginning or end'],
  ])('the new password %j is refused, and nothing changed', async (text, reason) => {
    const file = await passwordIn('new', text)
    for (const verb of ['add', 'passwd']) {
      const { code, stderr } = await here.run(['key', verb, ...offsite, '--new-password-file', file])
      expect(stderr).toContain(reason)
      expect(code).toBe(2)
    }
    expect(await keys()).toHaveLength(1)
  })

  test('without a terminal and without a file nobody can be asked', async () => {
    expect(await here.run(['key', 'add', ...offsite])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--new-password-file FILE'),
    })
  })

  test('a password that is typed twice is not shown', async () => {
    const { code, stdout, stderr } = await here.run(['key', 'add', ...offsite], { answer: 'typed-in-secret\ntyped-in-secret' })
    expect(code).toBe(0)
    expect(stderr).toContain('New password: \nThe same again: \n')
    expect(stdout + stderr).not.toContain('typed')
    expect(await keys()).toHaveLength(2)
    const differing = await here.run(['key', 'add', ...offsite], { answer: 'typed-in-secret\nsomething else' })
    expect(differing).toMatchObject({ code: 2, stderr: expect.stringContaining('the two passwords differ') })
    expect(await keys()).toHaveLength(2)
  })

  test('Ctrl-C while a password is typed changes nothing', async () => {
    expect(await here.run(['key', 'passwd', ...offsite], { answer: 'half a pass\u0003' })).toMatchObject({ code: 130 })
    expect(await readFile(here.passwordFile, 'utf8')).toBe(`${cheapResticPassword}\n`)
    expect(await keys()).toHaveLength(1)
  })
})

describe('key passwd', () => {
  test('rewrites the password file with its rights, and the old key goes', async () => {
    const before = await keys()
    await chmod(here.passwordFile, 0o400)
    const file = await passwordIn('new', 'the next password')
    const { code, stdout, stderr } = await here.run(['key', 'passwd', ...offsite, '--new-password-file', file])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain(`wrote ${here.passwordFile}\nKeep a copy`)
    expect(stdout).not.toContain('the next password')
    expect(await readFile(here.passwordFile, 'utf8')).toBe('the next password\n')
    expect((await stat(here.passwordFile)).mode & 0o777).toBe(0o400)
    expect((await readdir(here.directory)).filter((name) => name.startsWith('.'))).toEqual([])
    const after = await keys()
    expect(after).toMatchObject([{ current: true }])
    expect(after[0]?.id).not.toBe(before[0]?.id)
    expect(await here.run(['verify', 'safe', '--read-data'])).toMatchObject({ code: 0 })
  })

  test('replaces what a link points to, and not the link', async () => {
    const secrets = join(here.directory, 'secrets')
    await mkdir(secrets)
    await link(here.passwordFile, join(secrets, 'real'))
    const linked = join(here.directory, 'linked')
    await symlink(join(secrets, 'real'), linked)
    await writeFile(here.file, (await readFile(here.file, 'utf8')).replace(here.passwordFile, linked))
    expect(await here.run(['key', 'passwd', ...offsite, '--new-password-file', await passwordIn('new', 'other')])).toMatchObject({
      code: 0,
    })
    expect((await readdir(secrets)).concat(await readFile(join(secrets, 'real'), 'utf8'))).toEqual(['real', 'other\n'])
    expect(await here.run(['list', 'safe'])).toMatchObject({ code: 0 })
  })

  test('refuses a file that somebody else reads, and the password that is in use', async () => {
    const same = await here.run(['key', 'passwd', ...offsite, '--new-password-file', here.passwordFile])
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('the one that it has') })
    const shared = (await readFile(here.file, 'utf8')).replace(
      'host: scratch }',
      `host: scratch, password: "\${file:${here.passwordFile}}" }`,
    )
    await writeFile(here.file, shared)
    const refused = await here.run(['key', 'passwd', ...offsite, '--new-password-file', await passwordIn('new', 'other')])
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('targets.scratch.settings.password') })
    expect(await keys()).toHaveLength(1)
  })

  test('says which variable has to be set where the password stands in none of its files', async () => {
    await writeFile(here.file, (await readFile(here.file, 'utf8')).replace(`\${file:${here.passwordFile}}`, `\${env:OFFSITE_PASSWORD}`))
    const environment = { OFFSITE_PASSWORD: cheapResticPassword, SAMPLE_PASSWORD: 'x', XDG_STATE_HOME: here.directory }
    const argv = ['key', 'passwd', ...offsite, '--new-password-file', await passwordIn('new', 'other password')]
    expect(await here.run(argv, { environment })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('NOW set the variable OFFSITE_PASSWORD'),
    })
    expect(await here.run(['list', 'safe'], { environment })).toMatchObject({ code: 1 })
    const changed = { ...environment, OFFSITE_PASSWORD: 'other password' }
    expect(await here.run(['list', 'safe'], { environment: changed })).toMatchObject({ code: 0 })
  })
})
