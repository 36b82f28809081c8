import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate, type ThrowawayCertificate } from '@backup-planet/tooling/throwaway-certificate'

/** Two certificates of different authorities, in a directory that disposing removes. */
export interface TwoCertificates extends AsyncDisposable {
  readonly right: ThrowawayCertificate
  readonly wrong: ThrowawayCertificate
}

export async function makeTwoCertificates(): Promise<TwoCertificates> {
  const directory = await mkdtemp(join(tmpdir(), 'notifications-'))
  const [right, wrong] = [await makeCertificate(directory, 'right'), await makeCertificate(directory, 'wrong')]
  return { right, wrong, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}
