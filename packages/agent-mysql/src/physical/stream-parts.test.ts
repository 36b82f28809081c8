import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { streamParts } from './stream-parts.ts'

it('cuts a stream into parts that are full but for the last, and lose nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 40 }),
      async (chunks, bytes) => {
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* chunks
        }
        const parts: Buffer[] = []
        for await (const part of streamParts(source(), bytes)) {
          const read: Uint8Array[] = []
          for await (const chunk of part) read.push(chunk)
          parts.push(Buffer.concat(read))
        }
        expect(Buffer.concat(parts)).toEqual(Buffer.concat(chunks))
        for (const part of parts.slice(0, -1)) expect(part.length).toBe(bytes)
        for (const part of parts) expect(part.length).toBeGreaterThan(0)
      },
    ),
  )
})
