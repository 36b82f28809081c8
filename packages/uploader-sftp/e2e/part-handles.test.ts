import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identityOf, newPartName } from '../src/part-name.ts'
import type { SftpSession } from '../src/session/sftp-session.ts'
import { SftpFailure, sftpStatus } from '../src/sftp-errors.ts'
import { uploadPlace } from './upload-place.ts'

const mebibyte = 1024 ** 2
const bytes = sampleBytes(16 * mebibyte, 14)
const content = reopenable(bytes)

let server: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd()
})
afterAll(() => server.stop())

/** Says which files were opened, and how many of them are open. */
function counted(session: SftpSession): { readonly session: SftpSession; readonly opened: string[]; readonly open: () => number } {
  const opened: string[] = []
  let closed = 0
  return {
    opened,
    open: () => opened.length - closed,
    session: {
      ...session,
      async open(path, flags, mode) {
        const handle = await session.open(path, flags, mode)
        opened.push(path)
        return handle
      },
      async openFolder(path) {
        const handle = await session.openFolder(path)
        opened.push(path)
        return handle
      },
      async closeHandle(handle) {
        closed++
        await session.closeHandle(handle)
      },
    },
  }
}

describe('files that are opened', () => {
  it('are closed when a part cannot be taken over, and everything is sent anew', async () => {
    const { folder, uploads, open } = await uploadPlace(server, 'refused')
    await writeFile(join(folder, newPartName('object', identityOf('object', content))), bytes.subarray(0, 12 * mebibyte))
    const { session, opened, open: stillOpen } = counted(await open())
    let isFirst = true
    const refusing: SftpSession = {
      ...session,
      async handleAttributes(handle) {
        if (!isFirst) return await session.handleAttributes(handle)
        isFirst = false
        throw new SftpFailure(sftpStatus.FAILURE, 'Failure', 'fstat', undefined)
      },
    }
    await uploads.store(refusing, 'object', content, undefined, () => undefined)
    expect(isFirst).toBe(false)
    expect(opened.length).toBeGreaterThan(2)
    expect(stillOpen()).toBe(0)
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })

  it('are none behind a link, not even for a moment', async () => {
    const { folder, uploads, open } = await uploadPlace(server, 'linked')
    await mkdir(join(server.files, 'elsewhere'))
    await symlink(join(server.files, 'elsewhere'), join(folder, 'link'))
    const { session, opened } = counted(await open())
    const small = reopenable(bytes.subarray(0, 1000))
    await expect(uploads.store(session, 'link/object', small, undefined, () => undefined)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(opened).toEqual([])
  })
})

describe('an upload that has taken over a part and stalls', () => {
  it('harms nothing when another one has taken it since and put it in its place', async () => {
    const { folder, uploads, another, open } = await uploadPlace(server, 'stalls')
    await writeFile(join(folder, newPartName('object', identityOf('object', content))), bytes.subarray(0, 12 * mebibyte))
    const [looked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const session = await open()
    const ended = async (): Promise<never> => {
      session.giveUp()
      throw session.lost()
    }
    const stalled: SftpSession = {
      ...session,
      async handleAttributes(handle) {
        const attributes = await session.handleAttributes(handle)
        looked.resolve()
        await gate.promise
        return attributes
      },
      read: ended,
      write: ended,
    }
    const late = uploads.store(stalled, 'object', content, undefined, () => undefined).catch((error: unknown) => error)
    await looked.promise
    await another().store(await open(), 'object', content, undefined, () => undefined)
    gate.resolve()
    expect(await late).toMatchObject({ code: 'TIMED_OUT' })
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })
})
