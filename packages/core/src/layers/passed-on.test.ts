import { expect, it } from 'vitest'
import { bytesOf, chunksOf, sha256Of } from '../testing/chunks-of.ts'
import { passedOn } from './passed-on.ts'

/** As a library may have it: nothing of it is a field of its own. */
class Content {
  get size(): number {
    return 3
  }
  get sha256(): string {
    return sha256Of(Buffer.from('abc'))
  }
  get unchanging(): boolean {
    return true
  }
  open(): AsyncIterable<Uint8Array> {
    return chunksOf(Buffer.from('abc'), [1])
  }
}

it('passes on what was announced, also by getters of a class', async () => {
  const content = new Content()
  const passed = passedOn(content, () => content.open())
  expect(passed).toMatchObject({ size: 3, sha256: sha256Of(Buffer.from('abc')), unchanging: true })
  expect((await bytesOf(passed.open())).toString()).toBe('abc')
})
