import { readFileSync } from 'node:fs'
import { createDirectoryStaging, createDirectoryUploader } from '@backup-planet/core'
import { createResticRepository } from '../src/index.ts'
import { fillStage, seededContents } from './seeded-contents.ts'

/**
 * A run that says on standard output how far it is, one line a step, until somebody kills it: fills a stage of the job `shop` in
 * `<folder>/staging` and stores it in `<folder>/repository`. `streamed` does both at once, and `sealed` one after the other.
 */
const [folder = '', id = '', seed = '', order = ''] = process.argv.slice(2)
const say = (line: string) => process.stdout.write(`${line}\n`)

const staging = createDirectoryStaging({ directory: `${folder}/staging`, budgetBytes: 100_000_000, minimumFreeBytes: 0 })
await using repository = createResticRepository({
  uploader: createDirectoryUploader({ directory: `${folder}/repository` }),
  password: readFileSync(`${folder}/repository.password`, 'utf8').trim(),
  packBytes: 4 * 1024 ** 2,
  cacheDirectory: false,
})
const run = { job: 'shop', id, beganAt: new Date().toISOString(), kind: 'full' } as const
await using stage = await staging.begin(run)
const filling = fillStage(stage.stage, seededContents(Number(seed)))
if (order === 'sealed') await filling
say('storing')
await Promise.all([filling, repository.store({ run, agent: { version: '1.0.0' } }, stage.contents)])
say('stored')
await stage.remove()
