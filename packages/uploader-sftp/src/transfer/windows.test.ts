import { sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SftpSession } from '../session/sftp-session.ts'
import { readWindow } from './read-window.ts'
import { surelyWritten, windowBytes } from './resume-point.ts'
import { writeWindow } from './write-window.ts'

const handle = Buffer.from('h')
const request = { begin: 0, what: 'upload', signal: undefined }

/** A file that answers in its own order, and with as little as it likes. */
function memoryFile(
  content = Buffer.alloc(0),
  { blockBytes = 7, answers = () => 1 }: { blockBytes?: number; answers?: () => number } = {},
) {
  const file = { bytes: Buffer.from(content), underWay: 0, mostUnderWay: 0, writes: [] as { position: number; size: number }[] }
  const later = () => new Promise<void>((resolve) => setTimeout(resolve, Math.floor(answers() * 3)))
  const session = {
    readBytes: blockBytes,
    writeBytes: blockBytes,
    async write(_: Buffer, bytes: Buffer, position: number) {
      const copy = Buffer.from(bytes)
      file.writes.push({ position, size: copy.length })
      file.underWay += copy.length
      file.mostUnderWay = Math.max(file.mostUnderWay, file.underWay)
      await later()
      file.underWay -= copy.length
      if (file.bytes.length < position + copy.length)
        file.bytes = Buffer.concat([file.bytes, Buffer.alloc(position + copy.length - file.bytes.length)])
      copy.copy(file.bytes, position)
    },
    async read(_: Buffer, size: number, position: number) {
      await later()
      const end = Math.min(file.bytes.length, position + size)
      const short = position + Math.max(1, Math.ceil((end - position) * answers()))
      return Buffer.from(file.bytes.subarray(Math.min(position, file.bytes.length), Math.min(end, short)))
    },
  }
  return { file, session: session as unknown as SftpSession }
}

describe('writeWindow', () => {
  it('writes every byte at its place, in blocks, with no more than the window under way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 64 }),
        async (chunks, blockBytes, most) => {
          const { file, session } = memoryFile(undefined, { blockBytes, answers: () => 0 })
          const window = writeWindow(session, handle, { ...request, windowBytes: most })
          for (const chunk of chunks) {
            const memory = Buffer.from(chunk)
            await window.write(memory)
            memory.fill(0xee)
          }
          await window.flush()
          window.close()
          expect(file.bytes.equals(Buffer.concat(chunks))).toBe(true)
          expect(file.mostUnderWay).toBeLessThanOrEqual(most)
          const sizes = file.writes.map(({ size }) => size)
          expect(sizes.slice(0, -1).every((size) => size === Math.min(blockBytes, most))).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('goes on where it is told to', async () => {
    const { file, session } = memoryFile(Buffer.from('0123456789'))
    const window = writeWindow(session, handle, { ...request, begin: 4, windowBytes: 64 })
    await window.write(Buffer.from('abcdefghijk'))
    await window.flush()
    expect(file.bytes.toString()).toBe('0123abcdefghijk')
  })

  it('fails with the first failure, and sends nothing after it', async () => {
    const { file, session } = memoryFile()
    const failing = { ...session, write: () => Promise.reject(new Error('full')) } as unknown as SftpSession
    const window = writeWindow(failing, handle, { ...request, windowBytes: 14 })
    await expect(
      (async () => {
        for (let index = 0; index < 10; index++) await window.write(sampleBytes(20))
        await window.flush()
      })(),
    ).rejects.toThrow('full')
    expect(file.bytes.length).toBe(0)
  })

  it('stops waiting for a server that does not answer when it is aborted', async () => {
    const { session } = memoryFile()
    const stalled = { ...session, write: () => new Promise(() => undefined) } as unknown as SftpSession
    const controller = new AbortController()
    const window = writeWindow(stalled, handle, { ...request, windowBytes: 14, signal: controller.signal })
    const writing = window.write(sampleBytes(100))
    controller.abort()
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' })
    window.close()
  })
})

describe('readWindow', () => {
  it('gives exactly the range, in order, whatever the server answers with', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(200),
        fc.nat(200),
        fc.integer({ min: 1, max: 32 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 4 }),
        async (bytes, from, length, blockBytes, most, part) => {
          const begin = Math.min(from, bytes.length)
          const end = Math.min(begin + length, bytes.length)
          const { session } = memoryFile(Buffer.from(bytes), { blockBytes, answers: () => 1 / part })
          const chunks: Buffer[] = []
          for await (const chunk of readWindow(session, handle, { begin, end, windowBytes: most, what: 'download' })) chunks.push(chunk)
          expect(Buffer.concat(chunks).equals(Buffer.from(bytes.subarray(begin, end)))).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('says that a file is shorter than it was', async () => {
    const { session } = memoryFile(Buffer.from('short'))
    const reading = async () => {
      for await (const _ of readWindow(session, handle, { begin: 0, end: 10, windowBytes: 64, what: 'download' }));
    }
    await expect(reading()).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('5 bytes instead of 10') as string,
    })
  })
})

describe('surelyWritten', () => {
  it('keeps nothing of what may have holes', () => {
    for (const size of [0, 1, windowBytes, windowBytes + 1, 2 ** 40]) {
      expect(surelyWritten(size)).toBe(size > windowBytes ? size - windowBytes : 0)
    }
  })
})
