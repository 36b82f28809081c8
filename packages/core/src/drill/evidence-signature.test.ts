import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type * as z from 'zod'
import { canonicalJson } from '../manifest/canonical-json.ts'
import { sampleEvidence } from './__fixtures__/sample-evidence.ts'
import type { DrillEvidence, SignedEvidence } from './drill-evidence.ts'
import { evidenceJsonSchema, type signedEvidenceSchema } from './evidence-schema.ts'
import { createEvidenceKey, evidenceKeyId, publicKeyOf, signEvidence, verifyEvidence } from './evidence-signature.ts'

const { privateKey, publicKey } = createEvidenceKey()
const signed = signEvidence(sampleEvidence, privateKey)
const stored = canonicalJson(signed)

describe('verifyEvidence', () => {
  test('refuses a record in which one byte was changed, whichever it is', () => {
    const bytes = Buffer.from(stored, 'utf8')
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, turned) => {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ turned
        expect(() => verifyEvidence(changed, publicKey)).toThrow(expect.objectContaining({ name: 'BackupError' }))
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['a byte too many', `${stored}\n`],
    ['one too few', stored.slice(0, -1)],
    ['white space inside', stored.replace('{', '{ ')],
    ['a key twice', stored.replace('"outcome":"failed"', '"outcome":"failed","outcome":"passed"')],
    ['another outcome', stored.replace('"outcome":"failed"', '"outcome":"passed"')],
    ['a byte order mark', `\ufeff${stored}`],
    ['an unknown key', canonicalJson({ ...signed, note: 'trust me' })],
    ['an unknown key in the evidence', canonicalJson({ ...signed, evidence: { ...sampleEvidence, note: 'trust me' } })],
    ['no signature', canonicalJson({ evidence: sampleEvidence })],
    ['nothing', ''],
  ])('refuses %s as CORRUPTED', (_, text) => {
    expect(() => verifyEvidence(text, publicKey)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  test('refuses what another key has signed, also when it names this one', () => {
    const other = createEvidenceKey()
    expect(() => verifyEvidence(stored, other.publicKey)).toThrow(expect.objectContaining({ code: 'WRONG_CREDENTIALS' }))
    const forged = signEvidence({ ...sampleEvidence, outcome: 'passed' }, other.privateKey)
    const posing = { ...forged, signature: { ...forged.signature, keyId: evidenceKeyId(publicKey) } }
    expect(() => verifyEvidence(canonicalJson(posing), publicKey)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  test('asks for an update when the format is later', () => {
    const later = canonicalJson({ ...signed, evidence: { ...sampleEvidence, format: 'backup-planet/drill-evidence/2' } })
    expect(() => verifyEvidence(later, publicKey)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })

  test('gives back what was signed, from text and from bytes', () => {
    expect(verifyEvidence(stored, publicKey)).toEqual(sampleEvidence)
    expect(verifyEvidence(Buffer.from(stored), publicKey)).toEqual(sampleEvidence)
  })
})

describe('signEvidence', () => {
  const odd: readonly unknown[] = [
    undefined,
    null,
    '',
    'x',
    -1,
    1.5,
    '2026-07-24T02:00:00+02:00',
    '2026-07-24',
    {},
    [],
    { at: '2026-07-24T02:00:00Z', nearest: true },
  ]

  test('signs what can be verified again, and refuses everything else', () => {
    const [names, seen] = [Object.keys(sampleEvidence), { refused: 0, signed: 0 }]
    for (const name of [...names, 'note'])
      for (const value of odd) {
        const record = { ...sampleEvidence, [name]: value } as DrillEvidence
        let made: SignedEvidence
        try {
          made = signEvidence(record, privateKey)
        } catch (error) {
          expect(error, `${name}: ${JSON.stringify(value)}`).toMatchObject({
            code: 'INVALID_INPUT',
            message: expect.stringContaining(name),
          })
          seen.refused++
          continue
        }
        expect(canonicalJson(verifyEvidence(canonicalJson(made), publicKey)), `${name}: ${JSON.stringify(value)}`).toBe(
          canonicalJson(record),
        )
        seen.signed++
      }
    expect(seen.refused).toBeGreaterThan(100)
    expect(seen.signed).toBeGreaterThan(10)
  })
})

describe('keys', () => {
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  test.each([
    ['no key', 'secret-secret'],
    ['a public key', publicKey],
    ['a key of another kind', rsa.privateKey],
    ['a private key that is cut', privateKey.slice(0, 60)],
  ])('signing refuses %s, and does not say what it is', (_, key) => {
    expect(() => signEvidence(sampleEvidence, key)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
    expect(() => signEvidence(sampleEvidence, key)).not.toThrow(/secret-secret|MC4CAQ/)
  })

  test('verifying refuses a private key, and one of another kind', () => {
    expect(() => verifyEvidence(stored, privateKey)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
    expect(() => verifyEvidence(stored, rsa.publicKey)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })

  test('the public key is found from the private one', () => {
    expect(publicKeyOf(privateKey)).toBe(publicKey)
    expect(signed.signature.keyId).toBe(evidenceKeyId(publicKey))
  })
})

describe('drill-evidence.schema.json', () => {
  test('is what the parser checks', async () => {
    const published: unknown = JSON.parse(await readFile(new URL('../../drill-evidence.schema.json', import.meta.url), 'utf8'))
    expect(published).toEqual(evidenceJsonSchema())
  })

  test('and the types have the same keys', () => {
    expectTypeOf<keyof z.infer<typeof signedEvidenceSchema>['evidence']>().toEqualTypeOf<keyof SignedEvidence['evidence']>()
    expectTypeOf<SignedEvidence['evidence']['outcome']>().toEqualTypeOf<z.infer<typeof signedEvidenceSchema>['evidence']['outcome']>()
  })
})
