import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { StagedRun } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { testRecipient } from './__fixtures__/test-identity.ts'
import { itemFailed, itemSealed, sealed, storeStage, type TestFile, TestStage, testRun } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveSettings, archiveFormats } from './archive-settings.ts'

/** As anybody would use the published file: with a validator that knows nothing of us. */
let valid: ValidateFunction
beforeAll(async () => {
  const schema: object = JSON.parse(
    await readFile(createRequire(import.meta.url).resolve('@backup-planet/core/manifest.schema.json'), 'utf8'),
  )
  // The times have a pattern as well, so nothing is lost without the formats.
  valid = new Ajv2020({ strict: true, strictTypes: false, formats: { 'date-time': true } }).compile(schema)
})

const files: readonly TestFile[] = [
  { item: 'shop', name: 'data/rows.zst', bytes: Buffer.alloc(5000, 'row') },
  { item: 'shop', name: 'empty', bytes: Buffer.alloc(0) },
]
const whole = () => new TestStage([...files, itemSealed('shop'), sealed])
const partial = () => new TestStage([...files, itemSealed('shop'), itemFailed('broken'), sealed])
const limited: StagedRun = { ...testRun, limitedTo: ['shop'] }
const encryption: ArchiveSettings = { encryption: { recipients: [testRecipient] } }

const cases = archiveFormats.flatMap((format) => [
  { name: `${format}, complete`, settings: { format }, stage: whole, run: testRun, shown: { status: 'complete' } },
  { name: `${format}, partial`, settings: { format }, stage: partial, run: testRun, shown: { status: 'partial' } },
  { name: `${format}, limited`, settings: { format }, stage: whole, run: limited, shown: { limitedTo: ['shop'] } },
  { name: `${format}, encrypted`, settings: { format, ...encryption }, stage: whole, run: testRun, shown: { status: 'complete' } },
  {
    name: `${format}, encrypted, partial, limited`,
    settings: { format, ...encryption },
    stage: partial,
    run: limited,
    shown: { status: 'partial' },
  },
])

describe('a stored manifest.json is valid by the published JSON Schema', () => {
  it.each(cases)('($name), and not with anything else in it', async ({ settings, stage, run, shown }) => {
    const manifest = await storedManifest(settings, stage(), run)
    expect(manifest).toMatchObject(shown)
    expect(valid(manifest), JSON.stringify(valid.errors)).toBe(true)
    for (const damage of [
      { commands: ['rm'] },
      { status: 'done' },
      { beganAt: 'yesterday' },
      { items: [{}] },
      { format: 'other/1' },
      { limitedTo: [''] },
    ]) {
      expect(valid({ ...manifest, ...damage }), JSON.stringify(damage)).toBe(false)
    }
  })
})

async function storedManifest(settings: ArchiveSettings, stage: TestStage, run: StagedRun): Promise<object> {
  const uploader = createMemoryUploader()
  await storeStage(createArchiveRepository({ uploader, ...settings }), stage, run)
  const stored = [...uploader.objects].filter(([key]) => key.endsWith('/manifest.json'))
  expect(stored).toHaveLength(1)
  return JSON.parse(Buffer.from(stored[0]?.[1].bytes ?? []).toString('utf8'))
}
