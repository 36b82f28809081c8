import { createDirectoryStaging, createDirectoryUploader, type Uploader } from '@backup-planet/core'
import { sampleBytes } from '@backup-planet/core/testing'
import { type ArchiveSettings, createArchiveRepository } from '../src/index.ts'

/** A run that says what it does on standard output, one line a step, until somebody kills it. */
const [directory = '', settingsText = '{}'] = process.argv.slice(2)
const settings = JSON.parse(settingsText) as ArchiveSettings

const say = (line: string) => process.stdout.write(`${line}\n`)
const directoryUploader = createDirectoryUploader({ directory: `${directory}/store` })
const uploader: Uploader = {
  ...directoryUploader,
  destination: directoryUploader.destination,
  supports: { ...directoryUploader.supports, concurrency: 2 },
  async upload(key, content, options) {
    say(`begin ${key}`)
    const remote = await directoryUploader.upload(key, content, options)
    say(`end ${key}`)
    return remote
  },
}

const staging = createDirectoryStaging({ directory: `${directory}/staging`, budgetBytes: 10_000_000, minimumFreeBytes: 0 })
const run = { job: 'shop', id: 'run-1', beganAt: '2026-11-22T08:00:00.000Z', kind: 'full' } as const
await using stage = await staging.begin(run)
for (let index = 0; index < 24; index++) {
  await stage.stage.write({ item: index % 2 === 0 ? 'shop' : 'other', name: `rows.${index}` }, once(sampleBytes(40_000, index + 1)))
}
for (const item of ['shop', 'other']) await stage.stage.sealItem({ item, facts: {} })
await stage.stage.seal({
  application: 'test',
  source: { id: 's1', name: 'db1', version: '1' },
  kind: 'full',
  consistentAt: '2026-11-22T08:00:01.000Z',
  facts: {},
  restoreGuide: 'Load the files.',
})
await createArchiveRepository({ uploader, ...settings }).store({ run, agent: { version: '1.0.0' } }, stage.contents)
say('stored')

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
