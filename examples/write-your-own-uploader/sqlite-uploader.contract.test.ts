import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeUploaderContract } from '@backup-planet/core/conformance'
import { createSqliteUploader } from './sqlite-uploader.ts'

describeUploaderContract('sqlite uploader', {
  async makeUploader() {
    const directory = await mkdtemp(join(tmpdir(), 'sqlite-uploader-'))
    const open = () => createSqliteUploader({ file: join(directory, 'objects.db') })
    return { uploader: open(), another: open, dispose: () => rm(directory, { recursive: true }) }
  },
})
