import { describe, expect, it } from 'vitest'
import type { SftpSession } from './session/sftp-session.ts'
import { SftpFailure, sftpStatus } from './sftp-errors.ts'
import { makeFolders } from './sftp-tree.ts'

/** A server that answers so many times "Failure" to mkdir, and has no folder when it is asked for it. */
function failing(times: number): { readonly session: SftpSession; readonly made: string[] } {
  const made: string[] = []
  let failed = 0
  const session: Pick<SftpSession, 'makeFolder' | 'attributes'> = {
    async makeFolder(path) {
      if (failed++ < times) throw new SftpFailure(sftpStatus.FAILURE, 'Failure', 'mkdir', path)
      made.push(path)
    },
    attributes: async () => undefined,
  }
  return { session: session as SftpSession, made }
}

describe('a folder', () => {
  it('that was there for mkdir and is gone for lstat, as another upload has removed it, is made', async () => {
    const { session, made } = failing(2)
    await makeFolders(session, '/root', ['side', 'by'])
    expect(made).toEqual(['/root/side', '/root/side/by'])
  })

  it('that the server never makes is an error', async () => {
    const { session, made } = failing(Number.POSITIVE_INFINITY)
    await expect(makeFolders(session, '/root', ['side'])).rejects.toMatchObject({ status: sftpStatus.FAILURE, request: 'mkdir' })
    expect(made).toEqual([])
  })
})
