import { createDirectoryUploader } from '@backup-planet/core'
import { stageOf, storeStage } from '../src/__fixtures__/test-stage.ts'
import { createArchiveRepository } from '../src/archive-repository.ts'

/** Stores a small stage, encrypted as the second argument says, and prints the highest resident memory of this process in bytes. */
const [directory = '', passphrase = ''] = process.argv.slice(2)
const encryption = passphrase === '' ? {} : { encryption: { passphrase } }
const repository = createArchiveRepository({ uploader: createDirectoryUploader({ directory }), ...encryption })
await storeStage(repository, stageOf([{ item: 'shop', name: 'rows', bytes: Buffer.alloc(100_000, 'row') }]))
process.stdout.write(String(process.resourceUsage().maxRSS * 1024))
