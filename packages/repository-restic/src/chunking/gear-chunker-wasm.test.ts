import { expect, test } from 'vitest'
import { compileGearChunker } from './__fixtures__/compile-gear-chunker.ts'
import { gearChunkerWasm } from './gear-chunker-wasm.ts'

test('the committed module is what its source compiles to', async () => {
  expect(gearChunkerWasm).toBe(Buffer.from(await compileGearChunker()).toString('base64'))
})
