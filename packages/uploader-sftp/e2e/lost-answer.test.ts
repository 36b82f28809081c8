import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Reopenable } from '@backup-planet/core'
import { reopenable, sampleBytes, sha256Of } from '@backup-planet/core/testing'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SftpSession } from '../src/session/sftp-session.ts'
import type { PartUploads } from '../src/transfer/part-upload.ts'
import { filesBelow } from './sftp-place.ts'
import { type UploadPlace, uploadPlace } from './upload-place.ts'

const bytes = sampleBytes(16 * 1024 ** 2, 13)

let server: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd()
})
afterAll(() => server.stop())

const placeNamed = (name: string): Promise<UploadPlace> => uploadPlace(server, name)

/** Loses its connection with the last request of an upload: before the server hears it, or before its answer is heard. */
function losingTheLastAnswer(session: SftpSession, isHeard: boolean): SftpSession {
  return {
    ...session,
    async renameOver(from, to) {
      if (isHeard) await session.renameOver(from, to)
      session.giveUp()
      throw session.lost()
    },
  }
}

async function store(uploads: PartUploads, session: SftpSession, content: Reopenable = reopenable(bytes)) {
  return await uploads.store(session, 'object', content, undefined, () => undefined)
}

describe('an upload that lost its connection with its last request', () => {
  it.each([
    ['has stored the object, which is not sent again', true],
    ['has left all of it, which is gone on with', false],
  ])('%s', async (_, isHeard) => {
    const { folder, uploads, open } = await placeNamed(`lost-${isHeard}`)
    const failed = store(uploads, losingTheLastAnswer(await open(), isHeard))
    await expect(failed).rejects.toMatchObject({ code: 'TIMED_OUT', retryable: true })
    const [left = ''] = await filesBelow(folder)
    expect(left).toMatch(isHeard ? /^object$/ : /\.part$/)
    const { ino } = await stat(join(folder, left))
    let opened = 0
    const content = {
      ...reopenable(bytes),
      open() {
        opened++
        return reopenable(bytes).open()
      },
    }
    const { mtime } = await stat(join(folder, left))
    const object = await store(uploads, await open(), content)
    expect(object).toMatchObject({ key: 'object', size: bytes.length, sha256: sha256Of(bytes) })
    if (isHeard) expect(object.modifiedAt).toBe(new Date(Math.floor(mtime.getTime() / 1000) * 1000).toISOString())
    expect(opened, 'read').toBe(isHeard ? 0 : 1)
    expect((await stat(join(folder, 'object'))).ino, 'what was sent has become the object').toBe(ino)
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })

  it('is done again when somebody has replaced the object meanwhile', async () => {
    const { folder, uploads, open } = await placeNamed('replaced')
    await expect(store(uploads, losingTheLastAnswer(await open(), true))).rejects.toMatchObject({ code: 'TIMED_OUT' })
    await writeFile(join(folder, 'object'), 'of somebody else')
    await store(uploads, await open())
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })
})

/** As of a server that cannot replace in one step. Loses its connection with the rename `lastOf` chooses, before or after the server does it. */
function withoutReplacing(session: SftpSession, lastOf: (from: string) => boolean, isHeard: boolean): SftpSession {
  return {
    ...session,
    abilities: { ...session.abilities, posixRename: false },
    async rename(from, to) {
      if (!lastOf(from)) return await session.rename(from, to)
      if (isHeard) await session.rename(from, to)
      session.giveUp()
      throw session.lost()
    },
  }
}

describe('an upload that cannot replace in one step and loses its connection', () => {
  const old = Buffer.from('old')
  it.each([
    ['with the rename that sets the old object aside', (from: string) => from.endsWith('/object'), true],
    ['with that rename, which the server never hears', (from: string) => from.endsWith('/object'), false],
  ])('%s gives it back with the next upload, also when that fails', async (what, lastOf, isHeard) => {
    const { folder, uploads, open } = await placeNamed(what)
    await writeFile(join(folder, 'object'), old)
    await expect(store(uploads, withoutReplacing(await open(), lastOf, isHeard))).rejects.toMatchObject({ code: 'TIMED_OUT' })
    expect(await filesBelow(folder)).toHaveLength(2)
    const failing: Reopenable = {
      // biome-ignore lint/correctness/useYield: it fails before it gives anything
      async *open() {
        throw new Error('no content')
      },
    }
    await expect(store(uploads, await open(), failing)).rejects.toThrow('no content')
    expect(old.equals(await readFile(join(folder, 'object')))).toBe(true)
    await store(
      uploads,
      withoutReplacing(await open(), () => false, false),
    )
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })

  it.each([true, false])('with the rename that puts the part in its place, heard by the server: %s', async (isHeard) => {
    const { folder, uploads, open } = await placeNamed(`in-steps-${isHeard}`)
    await writeFile(join(folder, 'object'), old)
    let renames = 0
    const second = (from: string): boolean => from.endsWith('.part') && ++renames === 2
    await expect(store(uploads, withoutReplacing(await open(), second, isHeard))).rejects.toMatchObject({ code: 'TIMED_OUT' })
    await store(
      uploads,
      withoutReplacing(await open(), () => false, false),
    )
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })
})
