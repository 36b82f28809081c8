import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { abortable } from './checked-content.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

test('keeps nothing of what was read, while it can still be aborted', async () => {
  const seen: WeakRef<Uint8Array>[] = []
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < 50; index++) yield new Uint8Array(65_536)
  }
  for await (const chunk of abortable(source(), 'reading', { signal: new AbortController().signal })) {
    seen.push(new WeakRef(chunk))
    if (seen.length < 50) continue
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    expect(seen.filter((reference) => reference.deref() !== undefined).length).toBeLessThan(5)
  }
  expect(seen).toHaveLength(50)
})
