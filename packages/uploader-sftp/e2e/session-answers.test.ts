import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { discard } from '@backup-planet/core/memory'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { descendantsOf } from '@backup-planet/tooling/process-tree'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSftpUploader } from '../src/index.ts'
import { settingsFor } from './sftp-place.ts'
import { uploadPlace } from './upload-place.ts'

const bytes = sampleBytes(1024 ** 2, 16)

/** Where OpenSSH has its server for SFTP as a program of its own. */
const program = '/usr/lib/openssh/sftp-server'

let server: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd({ configuration: [`Subsystem sftp ${program}`] })
})
afterAll(() => server.stop())

describe('what is read', () => {
  it('is memory of its own: letting one piece go empties no other, however many came in one packet', async () => {
    const { folder, open } = await uploadPlace(server, 'memory')
    await writeFile(join(folder, 'object'), bytes)
    const session = await open()
    const handle = await session.open(`${folder}/object`, 'r')
    const begins = Array.from({ length: 64 }, (_, index) => index * 10_000)
    const pieces = await Promise.all(begins.map((begin) => session.read(handle, 10_000, begin)))
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(pieces.length)
    for (const [index, piece] of pieces.entries()) {
      expect(piece.buffer.byteLength, 'nothing else is in it').toBeLessThanOrEqual(piece.length + 9)
      expect(piece.equals(bytes.subarray(begins[index], (begins[index] ?? 0) + 10_000))).toBe(true)
      discard(piece)
    }
  })

  it('is not copied where it is large', async () => {
    const { folder, open } = await uploadPlace(server, 'large')
    await writeFile(join(folder, 'object'), bytes)
    const session = await open()
    const handle = await session.open(`${folder}/object`, 'r')
    const piece = await session.read(handle, session.readBytes, 0)
    expect(piece.length).toBeGreaterThan(200_000)
    expect(piece.byteOffset, 'where the answer of the server has it').toBe(9)
  })
})

/** Of the program that serves files, of which this suite has one at a time. */
async function programIds(): Promise<number[]> {
  const found = await Promise.all(
    (await descendantsOf(server.pid)).map(async (pid) =>
      (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim() === 'sftp-server' ? [pid] : [],
    ),
  )
  return found.flat()
}

describe('a server whose program for SFTP is killed while sshd stays', () => {
  it('is UNREACHABLE for what waits for its answer, with what to do, and answers the next operation', async () => {
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/killed`, connections: 1 }))
    const before = await programIds()
    await uploader.upload('object', reopenable(bytes))
    const [pid = 0, ...more] = (await programIds()).filter((id) => !before.includes(id))
    expect(more).toEqual([])
    process.kill(pid, 'SIGSTOP')
    const asked = [uploader.stat('object'), bytesOf(uploader.download('object'))].map((work) => work.catch((error: unknown) => error))
    // Until both have been sent, which takes no time once there is a connection.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    process.kill(pid, 'SIGKILL')
    for (const error of await Promise.all(asked)) {
      expect(error).toMatchObject({
        code: 'UNREACHABLE',
        retryable: true,
        message: expect.stringContaining('has ended its channel') as string,
        hint: expect.stringContaining('log of the server') as string,
      })
    }
    expect(bytes.equals(await bytesOf(uploader.download('object')))).toBe(true)
  })
})

describe('an uploader that was disposed', () => {
  it('opens no connection any more, and says so', async () => {
    const uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/disposed` }))
    await uploader.upload('object', reopenable(bytes))
    await uploader[Symbol.asyncDispose]()
    const outcomes = await Promise.allSettled([
      uploader.stat('object'),
      bytesOf(uploader.download('object')),
      uploader.upload('other', reopenable(bytes)),
    ])
    const reason = new TypeError('this uploader has been disposed: create another one')
    expect(outcomes).toEqual(outcomes.map(() => ({ status: 'rejected', reason })))
  })
})
