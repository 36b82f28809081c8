import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createS3Uploader } from '../src/index.ts'

/** Run as a process of its own: uploads one file by the settings in its environment, then prints what was stored. */
const { UPLOAD_SETTINGS = '{}', UPLOAD_FILE = '', UPLOAD_KEY = '' } = process.env

const hash = createHash('sha256')
for await (const chunk of createReadStream(UPLOAD_FILE)) hash.update(chunk)
await using uploader = createS3Uploader(JSON.parse(UPLOAD_SETTINGS))
const stored = await uploader.upload(UPLOAD_KEY, {
  size: (await stat(UPLOAD_FILE)).size,
  sha256: hash.digest('hex'),
  open: () => createReadStream(UPLOAD_FILE, { highWaterMark: 1024 * 1024 }),
})
process.stdout.write(JSON.stringify(stored))
