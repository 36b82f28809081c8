import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { currentOwner, ownedName } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { mysqlAgentSettingsSchema } from '../mysql-agent-settings.ts'
import type { ServerFlavour } from '../mysql-server.ts'
import { optionFileText, writeOptionFile } from './option-file.ts'
import { ToolDirectory } from './tool-directory.ts'

const settings = (more: object) => mysqlAgentSettingsSchema.parse({ user: 'backup', ...more })
const mariadb = { flavour: 'mariadb', hint: 'Do without.' } as const

describe('an option file', () => {
  it('holds user, password and place, quoted', () => {
    expect(optionFileText(settings({ socketPath: '/run/s.sock', password: 'a"b\\c#d\'e' }), {}, mariadb)).toBe(
      '[client]\nuser="backup"\npassword="a\\"b\\\\c#d\'e"\nsocket="/run/s.sock"\nskip-ssl\n',
    )
    expect(
      optionFileText(settings({ host: 'db1', port: 3307 }), {}, { ...mariadb, before: '/etc/keys.cnf', more: { 'connect-timeout': '10' } }),
    ).toBe(
      '!include /etc/keys.cnf\n[client]\nuser="backup"\npassword=""\nprotocol="tcp"\nhost="db1"\nport="3307"\nconnect-timeout="10"\nskip-ssl\n',
    )
  })

  it('asks for TLS in the words of each program, as the agent does itself', () => {
    const tls = (flavour: ServerFlavour, ssl: unknown) =>
      optionFileText(settings({ ssl }), {}, { ...mariadb, flavour })
        .split('\n')
        .filter((line) => /ssl|tls/.test(line))
    const versions = 'tls-version=TLSv1.2,TLSv1.3'
    expect(tls('mariadb', {})).toEqual([versions, 'ssl', 'ssl-verify-server-cert'])
    expect(tls('mariadb', { rejectUnauthorized: false })).toEqual([versions, 'ssl', 'skip-ssl-verify-server-cert'])
    expect(tls('mariadb', { minVersion: 'TLSv1.3' })).toEqual(['tls-version=TLSv1.3', 'ssl', 'ssl-verify-server-cert'])
    expect(tls('mariadb', false)).toEqual(['skip-ssl'])
    expect(tls('mariadb', undefined)).toEqual(['skip-ssl'])
    expect(tls('mysql', {})).toEqual([versions, 'ssl-mode=VERIFY_IDENTITY'])
    expect(tls('mysql', { verifyIdentity: false })).toEqual([versions, 'ssl-mode=VERIFY_CA'])
    expect(tls('mysql', { rejectUnauthorized: false })).toEqual([versions, 'ssl-mode=REQUIRED'])
    expect(tls('mysql', false)).toEqual(['ssl-mode=DISABLED'])
    expect(tls('mysql', undefined)).toEqual(['ssl-mode=DISABLED'])
  })

  it('never holds what would be another line, and names what to do instead', () => {
    for (const password of ['a\nuser=root', 'a\rb', 'a\0b']) {
      const refused = expect.objectContaining({ code: 'UNSUPPORTED', hint: 'Do without.' })
      expect(() => optionFileText(settings({ password }), {}, mariadb)).toThrow(refused)
    }
    expect(() => optionFileText(settings({}), {}, { ...mariadb, before: '/a\nb' })).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS' }),
    )
  })

  it('is refused where the key has a passphrase, before anything is written', async () => {
    await using directory = await ToolDirectory.create()
    const ssl = { key: 'KEY', passphrase: 'secret' }
    await expect(writeOptionFile(directory, settings({ ssl }), mariadb)).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: 'Do without.' })
    expect(await readdir(join(directory.path, 'options'))).toEqual([])
  })

  it('lies where nobody else reads, until the program has connected', async () => {
    await using directory = await ToolDirectory.create()
    const file = await writeOptionFile(directory, settings({ password: 'p', ssl: { ca: 'CA', key: 'KEY' } }), mariadb)
    expect(file).toMatchObject({ argument: `--defaults-file=${file.path}`, secrets: ['p'] })
    for (const path of [directory.path, dirname(file.path)]) expect((await stat(path)).mode & 0o777).toBe(0o700)
    const names = await readdir(dirname(file.path))
    expect(names.sort()).toEqual(['ca.pem', 'client.cnf', 'key.pem'])
    for (const name of names) expect((await stat(join(dirname(file.path), name))).mode & 0o777).toBe(0o600)
    expect(await readFile(file.path, 'utf8')).toContain(`ssl-key="${join(dirname(file.path), 'key.pem')}"`)
    await file.forget()
    await file.forget()
    expect((await readdir(dirname(file.path))).sort()).toEqual(['ca.pem', 'key.pem'])
  })

  it('of a killed run is removed by the next one', async () => {
    const owner = await currentOwner()
    const left = join(tmpdir(), ownedName('backup-planet-mysql', { ...owner, pid: 2 ** 22 + 1 }))
    await mkdir(left, { mode: 0o700 })
    await using _directory = await ToolDirectory.create()
    await expect(stat(left)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
