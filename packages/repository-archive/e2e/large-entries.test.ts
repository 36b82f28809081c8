import { execFile } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compressed, decompressed } from '../src/compression.ts'
import { tarOf, untar } from '../src/tar-format.ts'
import { unzip, zipOf } from '../src/zip-format.ts'

/** Entries above 4 and 8 GiB take minutes on a busy machine; without the sweep smaller ones take the same way through the formats. */
const sweep = process.env.BACKUP_PLANET_SWEEP === '1'
const largeZipEntry = sweep ? Math.ceil(4.1 * 2 ** 30) : 9_000_001
const largeTarEntry = sweep ? Math.ceil(8.1 * 2 ** 30) : 9_000_001
const zip64From = sweep ? undefined : 1_000_000
const block = Buffer.alloc(4 * 2 ** 20)
const zero = Buffer.alloc(block.byteLength)

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'large-entries-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

function zeros(name: string, size: number) {
  return {
    name,
    size,
    async *open() {
      for (let left = size; left > 0; left -= block.byteLength) yield left < block.byteLength ? block.subarray(0, left) : block
    },
  }
}

const small = {
  name: 'behind.txt',
  size: 5,
  async *open() {
    yield Buffer.from('small')
  },
}

async function sizesOf(files: AsyncIterable<{ name: string; content: AsyncIterable<Uint8Array> }>): Promise<[string, number][]> {
  const sizes: [string, number][] = []
  for await (const { name, content } of files) {
    let size = 0
    for await (const chunk of content) size += chunk.byteLength
    sizes.push([name, size])
  }
  return sizes
}

it.each(['large.zst', 'large.dat'])(
  'a zip64 with a large entry (%s) is read by unzip and by us',
  async (name) => {
    const file = path.join(directory, `${name}.zip`)
    const handle = await open(file, 'w+')
    let size = 0
    for await (const chunk of zipOf([zeros(name, largeZipEntry), small], new Date(0), 1, zip64From)) {
      // Zeros are left out, so that the file is sparse.
      if (!zero.subarray(0, chunk.byteLength).equals(chunk)) await handle.write(chunk, 0, chunk.byteLength, size)
      size += chunk.byteLength
    }
    await handle.truncate(size)
    const read = async function* ({ begin, end = size }: { begin: number; end?: number }) {
      for (let at = begin; at < end; ) {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(block.byteLength, end - at)), 0, undefined, at)
        yield buffer.subarray(0, bytesRead)
        at += bytesRead
      }
    }
    expect(await sizesOf(unzip(read, size, 'zip'))).toEqual([
      [name, largeZipEntry],
      ['behind.txt', 5],
    ])
    const end = Buffer.alloc(4)
    await handle.read(end, 0, 4, size - 98)
    expect(end.toString('latin1'), 'zip64 end of central directory record').toBe('PK\u0006\u0006')
    await handle.close()
    const { stdout } = await promisify(execFile)('unzip', ['-t', file])
    expect(stdout).toContain('No errors detected')
    await rm(file)
  },
  600_000,
)

it('a tar with a large entry is read by us, streaming', async () => {
  const large = zeros('large.dat', largeTarEntry)
  const archive = compressed(tarOf([large, small], new Date(0)), 'tar.zst', 1)
  expect(await sizesOf(untar(decompressed(archive, 'tar.zst', 'tar'), 'tar'))).toEqual([
    ['large.dat', large.size],
    ['behind.txt', 5],
  ])
}, 600_000)
