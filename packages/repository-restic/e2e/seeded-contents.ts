import { createCipheriv } from 'node:crypto'
import type { Stage } from '@backup-planet/core'

/** Two items with files of all sizes, 22 MB together, that neither compress nor share anything with those of another seed. */
export function seededContents(seed: number): ReadonlyMap<string, ReadonlyMap<string, Buffer>> {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, `seed ${seed} `), Buffer.alloc(16))
  const bytes = (size: number) => stream.update(Buffer.alloc(size))
  const orders = new Map([3_000_000, 1, 700_000, 9_000_000, 40_000].map((size, at) => [`orders/part.${at}`, bytes(size)]))
  const stock = new Map([6_000_000, 12_000, 2_000_000, 1_400_000, 300].map((size, at) => [`stock.${at}`, bytes(size)]))
  return new Map([
    ['orders', orders],
    ['stock', stock],
  ])
}

export function contentBytes(contents: ReadonlyMap<string, ReadonlyMap<string, Buffer>>): number {
  return [...contents.values()].flatMap((files) => [...files.values()]).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** Fills and seals a stage with these contents, in pieces as a database client gives them. */
export async function fillStage(stage: Stage, contents: ReadonlyMap<string, ReadonlyMap<string, Buffer>>): Promise<void> {
  for (const [item, files] of contents) {
    for (const [name, bytes] of files) await stage.write({ item, name }, inPieces(bytes))
    await stage.sealItem({ item, facts: {} })
  }
  await stage.seal({
    application: 'test',
    source: { id: 's1', name: 'db1', version: '1' },
    kind: 'full',
    consistentAt: '2026-11-22T08:00:01.000Z',
    facts: {},
    restoreGuide: 'Load the files.',
  })
}

const pieceBytes = 64 * 1024

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes))
}
