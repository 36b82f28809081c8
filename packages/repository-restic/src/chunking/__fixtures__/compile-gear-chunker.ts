import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileString } from 'assemblyscript/asc'

/** `node packages/repository-restic/src/chunking/__fixtures__/compile-gear-chunker.ts` writes the module anew. */
const source = join(import.meta.dirname, '..', 'assembly', 'gear-chunker.as')
const target = join(import.meta.dirname, '..', 'gear-chunker-wasm.ts')

export async function compileGearChunker(): Promise<Uint8Array> {
  const { error, stderr, binary } = await compileString(await readFile(source, 'utf8'), {
    optimizeLevel: 3,
    shrinkLevel: 0,
    noAssert: true,
    runtime: 'stub',
    importMemory: true,
    noExportMemory: true,
    sharedMemory: true,
    initialMemory: 1,
    // What a caller may bring at most: all that 32 bits can address.
    maximumMemory: 65_536,
    enable: ['threads'],
  })
  if (error !== null || binary === null) throw new Error(`${source} does not compile: ${stderr.toString()}`, { cause: error })
  return binary
}

if (process.argv[1] === import.meta.filename) {
  const base64 = Buffer.from(await compileGearChunker()).toString('base64')
  await writeFile(
    target,
    `/** assembly/gear-chunker.as, compiled by __fixtures__/compile-gear-chunker.ts; a test compares the two. */
export const gearChunkerWasm =
  '${base64}'
`,
  )
}
