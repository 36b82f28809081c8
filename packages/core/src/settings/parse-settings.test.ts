import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { BackupError } from '../errors/backup-error.ts'
import { parseSettings } from './parse-settings.ts'

const schema = z.strictObject({
  host: z.string(),
  port: z.int().min(1).max(65535).default(3306),
  tls: z.strictObject({ verify: z.boolean(), fingerprint: z.string().optional() }).optional(),
  servers: z.array(z.strictObject({ name: z.string() })).optional(),
  jobs: z.record(z.string(), z.strictObject({ schedule: z.string() })).optional(),
})

function failure(input: unknown, of: z.ZodType = schema, where = 'jobs.shop'): BackupError {
  try {
    parseSettings(of, input, where)
  } catch (error) {
    if (BackupError.is(error)) return error
    throw error
  }
  throw new Error('the settings were accepted')
}

describe('parseSettings', () => {
  test('gives defaults', () => expect(parseSettings(schema, { host: 'db' }, 'x')).toEqual({ host: 'db', port: 3306 }))

  test('takes nothing at all as no settings', () => {
    expect(parseSettings(z.strictObject({ a: z.string().default('b') }), undefined, 'x')).toEqual({ a: 'b' })
  })

  test('names every problem at once, with its place', () => {
    const error = failure({ port: 'x', tls: { verify: 1 } })
    expect(error.code).toBe('INVALID_SETTINGS')
    for (const part of ['jobs.shop.host: ', 'jobs.shop.port: ', 'jobs.shop.tls.verify: ']) expect(error.message).toContain(part)
    expect(error.hint).toBe('Correct these 3 settings and try again.')
  })

  test.each([
    [{ host: 'db', prot: 1 }, 'unknown key "prot" in jobs.shop, did you mean "port"?'],
    [{ host: 'db', nonsense: 1 }, 'unknown key "nonsense" in jobs.shop, known are host, port, tls, servers, jobs'],
    [{ host: 'db', tls: { verify: true, fingerprnt: 'x' } }, 'unknown key "fingerprnt" in jobs.shop.tls, did you mean "fingerprint"?'],
    [{ host: 'db', servers: [{ name: 'a', nam: 1 }] }, 'unknown key "nam" in jobs.shop.servers.0, did you mean "name"?'],
    [{ host: 'db', jobs: { a: { schedule: '', shedule: '' } } }, 'unknown key "shedule" in jobs.shop.jobs.a, did you mean "schedule"?'],
  ])('names unknown keys with the nearest known one: %j', (input, message) => {
    expect(failure(input).message).toContain(message)
  })

  test('sees through a transformation to the known keys', () => {
    const piped = z.strictObject({ host: z.string() }).transform((value) => value.host)
    expect(failure({ host: 'a', hots: 'b' }, piped).message).toContain('did you mean "host"?')
  })

  test('names the keys and problems of the variant that is meant', () => {
    const variants = z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('password'), password: z.string() }),
      z.strictObject({ kind: z.literal('key'), file: z.string() }),
    ])
    const error = failure({ login: { kind: 'key', fiel: 'x' } }, z.strictObject({ login: variants }))
    expect(error.message).toContain('jobs.shop.login.file: ')
    expect(error.message).toContain('unknown key "fiel" in jobs.shop.login, did you mean "file"?')
  })

  test('names what no variant of a plain union accepts', () => {
    const union = z.strictObject({ login: z.union([z.strictObject({ password: z.string() }), z.strictObject({ file: z.string() })]) })
    expect(failure({ login: { pasword: 'secret-value' } }, union).message).toContain('jobs.shop.login')
  })

  test('never prints a value', () => {
    const secret = 'correct-horse-battery'
    const strict = z.strictObject({
      number: z.number(),
      kind: z.enum(['a', 'b']),
      email: z.email(),
      pattern: z.string().regex(/^x/),
      short: z.string().max(3),
      literal: z.literal('only'),
      either: z.union([z.number(), z.literal('y')]),
      list: z.array(z.number()),
    })
    const input = Object.fromEntries(Object.keys(strict.shape).map((key) => [key, key === 'list' ? [secret] : secret]))
    const error = failure(input, strict)
    for (const key of Object.keys(strict.shape)) expect(error.message).toContain(`jobs.shop.${key}`)
    expect(`${error.message} ${error.hint} ${String(error.cause)}`).not.toContain(secret)
  })

  test.each([null, 5, 'text', []])('refuses %j as a whole', (input) => {
    expect(failure(input).code).toBe('INVALID_SETTINGS')
  })
})
