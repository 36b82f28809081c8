import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { keepMemoryLean, markHeapAtOnce } from '../../packages/cli/src/lean-memory.ts'

/** `node transfer-program.ts put|put-all|get PATH KEY`, with the place in the environment: what the benchmark measures, as a program of its own. */
keepMemoryLean()
markHeapAtOnce()
// Only now: it starts the program anew, as the command does before it loads any plugin.
const { createS3Uploader } = await import('@backup-planet/uploader-s3')
const [verb, path = '', key = ''] = process.argv.slice(2)
const { S3_ENDPOINT, S3_BUCKET = '' } = process.env

await using uploader = createS3Uploader({ bucket: S3_BUCKET, endpoint: S3_ENDPOINT, profile: 'ceph' })

if (verb === 'put') await put(path, key)
else if (verb === 'get') await pipeline(uploader.download(key), createWriteStream(path))
else if (verb === 'put-all') {
  const names = await readdir(path)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) await put(join(path, name), `${key}/${name}`)
  }
  await Promise.all(Array.from({ length: uploader.supports.concurrency }, worker))
} else throw new Error(`unknown verb ${verb}`)

async function put(file: string, to: string): Promise<void> {
  const { size } = await stat(file)
  await uploader.upload(to, { size, open: () => createReadStream(file, { highWaterMark: Math.min(Math.max(size, 1), 1024 ** 2) }) })
}
