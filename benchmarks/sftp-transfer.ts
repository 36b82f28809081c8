import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { SftpSettings } from '@backup-planet/uploader-sftp'
import { keepMemoryLean, markHeapAtOnce } from '../packages/cli/src/lean-memory.ts'

/** One transfer in a process of its own, its memory as that of the command with such a destination: `put` or `get`, a local file, and the settings as JSON. */
keepMemoryLean()
markHeapAtOnce()
// Only now: it starts the program anew, as the command does before it loads any plugin.
const { createSftpUploader } = await import('@backup-planet/uploader-sftp')
const [task, file = '', settings = '{}'] = process.argv.slice(2)

await using uploader = createSftpUploader(JSON.parse(settings) as SftpSettings)
if (task === 'put') {
  const { size } = await stat(file)
  await uploader.upload('ours', { size, open: () => createReadStream(file, { highWaterMark: 256 * 1024 }) })
} else {
  const handle = await open(file, 'w')
  let position = 0
  for await (const chunk of uploader.download('ours')) {
    await handle.write(chunk, 0, chunk.byteLength, position)
    position += chunk.byteLength
  }
  await handle.close()
}
