import assert from 'node:assert/strict'
import type { Uploader } from '../contracts/index.ts'
import { bytesOf, reopenable } from '../testing/chunks-of.ts'
import { collect } from './conformance-check.ts'

/** An uploader on an empty place of its own. */
export interface UploaderHarness {
  readonly uploader: Uploader
  /** A second uploader on the same place, as another process would have it. */
  readonly another?: () => Uploader | Promise<Uploader>
  /** Keys that this uploader refuses with `INVALID_INPUT` because its store cannot keep them; none when left out. */
  readonly refusesKey?: (key: string) => boolean
  /** Everything that is physically in the place, unfinished uploads included, where that can be seen. */
  readonly everythingStored?: () => Promise<readonly string[]>
  readonly dispose?: () => Promise<void>
}

/** A second uploader on the same place, or the same one where there can be no second. */
export async function otherOf({ uploader, another }: UploaderHarness): Promise<Uploader> {
  return another === undefined ? uploader : await another()
}

export async function put(uploader: Uploader, key: string, bytes: Uint8Array | string): Promise<void> {
  await uploader.upload(key, reopenable(Buffer.from(bytes)))
}

export async function get(uploader: Uploader, key: string): Promise<Buffer> {
  return await bytesOf(uploader.download(key))
}

export async function keysOf(uploader: Uploader, prefix = ''): Promise<string[]> {
  return (await collect(uploader.list(prefix))).map((object) => object.key).sort()
}

export async function assertHolds(uploader: Uploader, key: string, bytes: Uint8Array | string): Promise<void> {
  const expected = Buffer.from(bytes)
  const found = await uploader.stat(key)
  assert.equal(found?.key, key, `stat of ${JSON.stringify(key)} must give the object`)
  assert.equal(found.size, expected.byteLength, `stat of ${JSON.stringify(key)} must give its size`)
  assert.ok(expected.equals(await get(uploader, key)), `download of ${JSON.stringify(key)} must give the bytes that were uploaded`)
}

/** Asserts that nobody, neither this uploader nor another on the same place, sees anything of `key`. */
export async function assertAbsent(harness: UploaderHarness, key: string): Promise<void> {
  for (const uploader of [harness.uploader, await otherOf(harness)]) {
    assert.equal(await uploader.stat(key), undefined, `stat must not see ${key}`)
    assert.deepEqual(await keysOf(uploader, key), [], `list must not see anything under ${key}`)
  }
  await assertNothingElse(harness, [])
}

/** Asserts that the place holds these objects and physically nothing else. */
export async function assertNothingElse(harness: UploaderHarness, keys: readonly string[]): Promise<void> {
  assert.deepEqual(await keysOf(harness.uploader), [...keys].sort(), 'list must give exactly what was uploaded')
  if (harness.everythingStored === undefined) return
  assert.deepEqual([...(await harness.everythingStored())].sort(), [...keys].sort(), 'nothing of failed uploads may stay in the store')
}
