import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { runCommand } from './command-runner.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** The programs run here are those of POSIX. */
const onWindows = process.platform === 'win32'

async function alive(seen: readonly WeakRef<object>[]): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  return seen.filter((reference) => reference.deref() !== undefined).length
}

test.skipIf(onWindows)('keeps nothing of an output that was received, while the program runs', async () => {
  const seen: WeakRef<object>[] = []
  let received = 0
  let most = 0
  await runCommand({
    command: 'head',
    arguments: ['-c', '8000000', '/dev/zero'],
    async stdout(chunk) {
      seen.push(new WeakRef(chunk))
      received += chunk.byteLength
      if (received > 4_000_000) most = Math.max(most, await alive(seen))
    },
  })
  expect(seen.length).toBeGreaterThan(50)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(20)
})

test.skipIf(onWindows)('keeps nothing of an input that was written, while the program runs', async () => {
  const seen: WeakRef<object>[] = []
  let most = 0
  async function* input(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < 100; index++) {
      const chunk = Buffer.alloc(65_536)
      seen.push(new WeakRef(chunk))
      yield chunk
      if (index > 50) most = Math.max(most, await alive(seen))
    }
  }
  expect(await runCommand({ command: 'sh', arguments: ['-c', 'cat > /dev/null'], input: input() })).toMatchObject({ exitCode: 0 })
  expect(seen).toHaveLength(100)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(20)
})
