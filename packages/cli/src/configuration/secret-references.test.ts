import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSecretMask } from './secret-mask.ts'
import { plainSecretPaths, referenceProblems, resolveSecrets, type SecretSources } from './secret-references.ts'

let directory: string
let warnings: string[]
let sources: SecretSources

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-secrets-'))
  warnings = []
  sources = { environment: { PASSWORD: 'hunter22', HOST: 'db1', EMPTY: '' }, mask: createSecretMask(), warn: (text) => warnings.push(text) }
})
afterEach(() => rm(directory, { recursive: true }))

test.each([
  [`\${evn:X}`, [`unknown reference "\${evn:…}", did you mean "\${env:…}"?`]],
  [`\${vault:X}`, [`unknown reference "\${vault:…}", known are \${env:NAME} and \${file:/path}`]],
  [`\${env:}`, [`"\${env:}" names nothing`]],
  [`$\${evn:X}`, []],
  ['pa$$word', []],
  [`\${env:X} and \${file:/y}`, []],
])('references in %j are checked', (text, problems) => {
  expect(referenceProblems(text)).toEqual(problems)
})

test('a variable that is not set is named with its place', async () => {
  await expect(resolveSecrets({ password: `\${env:NOT_SET}` }, 'a.yaml:3:5: jobs.shop.settings', sources)).rejects.toMatchObject({
    code: 'INVALID_SETTINGS',
    message: 'a.yaml:3:5: jobs.shop.settings.password: the environment variable NOT_SET is not set',
    hint: expect.stringContaining('Set NOT_SET'),
  })
})

test('a file that cannot be read is named with its place', async () => {
  await expect(resolveSecrets(`\${file:${directory}/none}`, 'here', sources)).rejects.toMatchObject({
    code: 'INVALID_SETTINGS',
    message: `here: the secret file ${directory}/none cannot be read (ENOENT)`,
  })
})

test('references are followed in nested values and lists, also within a text, and remembered', async () => {
  const file = join(directory, 'key')
  await writeFile(file, 'from-file\n', { mode: 0o600 })
  const value = {
    host: `\${env:HOST}`,
    port: 3306,
    list: [`\${file:${file}}`],
    text: `user:\${env:PASSWORD}@x`,
    kept: `$\${env:PASSWORD}`,
    empty: `\${env:EMPTY}`,
  }
  expect(await resolveSecrets(value, 'here', sources)).toEqual({
    host: 'db1',
    port: 3306,
    list: ['from-file'],
    text: 'user:hunter22@x',
    kept: `\${env:PASSWORD}`,
    empty: '',
  })
  expect(sources.mask.hide('db1 says no to hunter22 and from-file')).toBe('db1 says no to *** and ***')
  expect(warnings).toEqual([])
})

test('plain secrets and passwords in URLs are remembered too', async () => {
  await resolveSecrets({ password: 'plain-one', destination: 'sftp://backup:p%40ss-two@host/' }, 'here', sources)
  expect(sources.mask.hide('plain-one p%40ss-two p@ss-two')).toBe('*** *** ***')
})

test('secret keys are known by what they are, under any key and in lists', async () => {
  const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n'
  const value = { identities: ['AGE-SECRET-KEY-1QQQQ', `\${env:HOST}`], ssl: { key: pem, ca: '-----BEGIN CERTIFICATE-----\nMIIB\n' } }
  await resolveSecrets(value, 'here', sources)
  expect(sources.mask.hide('AGE-SECRET-KEY-1QQQQ MIIEowIBAAKCAQEA MIIB')).toBe('*** *** MIIB')
  expect(plainSecretPaths(value)).toEqual(['identities[0]', 'ssl.key'])
})

test('every text of a list under a secret key is a secret', async () => {
  await resolveSecrets({ tokens: ['first-one', 'second-one'] }, 'here', sources)
  expect(sources.mask.hide('first-one second-one')).toBe('*** ***')
  expect(plainSecretPaths({ tokens: ['first-one', `\${env:S}`] })).toEqual(['tokens[0]'])
})

test.skipIf(process.platform === 'win32')('a secret file that others can read is warned of', async () => {
  const file = join(directory, 'open')
  await writeFile(file, 'secret')
  await chmod(file, 0o644)
  await resolveSecrets(`\${file:${file}}`, 'here', sources)
  expect(warnings).toEqual([`others can read the secret file ${file} (mode 644); run: chmod 600 ${file}`])
})

test('plain secrets are found by the name of their key, references are none', () => {
  expect(
    plainSecretPaths({
      jobs: { shop: { settings: { user: 'x', password: 'p' } } },
      a: { secretAccessKey: `\${env:S}`, passphrase: '', keys: [{ token: 't' }] },
    }),
  ).toEqual(['jobs.shop.settings.password', 'a.keys[0].token'])
})
