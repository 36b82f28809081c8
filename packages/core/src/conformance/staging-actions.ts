import assert from 'node:assert/strict'
import type { CaptureFacts, RunStage, StageEvent, Staging } from '../contracts/index.ts'
import { bytesOf } from '../testing/chunks-of.ts'

export const captureFacts: CaptureFacts = {
  application: 'conformance',
  source: { id: 'server', name: 'server', version: '1' },
  kind: 'full',
  consistentAt: '2026-01-01T00:00:00.000Z',
  facts: { number: 1 },
  restoreGuide: '# Restore\n',
}

export function runOf(id: string) {
  return { job: 'conformance job', id, beganAt: `2026-01-01T00:00:0${id.length % 10}.000Z` }
}

export async function* chunks(size: number, byte = 120, chunkSize = 1024): AsyncGenerator<Uint8Array, void, void> {
  for (let left = size; left > 0; left -= chunkSize) yield Buffer.alloc(Math.min(left, chunkSize), byte)
}

/** A stage with these files, one item after the other, sealed and let go. */
export async function sealedStage(staging: Staging, id: string, items: Readonly<Record<string, readonly number[]>>): Promise<void> {
  await using both = await staging.begin(runOf(id))
  await fillAndSeal(both, items)
}

export async function fillAndSeal(both: RunStage, items: Readonly<Record<string, readonly number[]>>): Promise<void> {
  for (const [item, sizes] of Object.entries(items)) {
    for (const [index, size] of sizes.entries()) await both.stage.write({ item, name: `file${index}` }, chunks(size))
    await both.stage.sealItem({ item, facts: { item } })
  }
  await both.stage.seal(captureFacts)
}

/** Short texts of the events, such as `file a/file0 1024`. */
export function eventText(event: StageEvent): string {
  switch (event.type) {
    case 'file':
      return `file ${event.file.item}/${event.file.name} ${event.file.size}`
    case 'item':
      return `item ${event.item.item}`
    case 'item-failed':
      return `item-failed ${event.item}`
    default:
      return event.type
  }
}

/** What the one resumable stage gives; every file is read to its end. */
export async function resumedEvents(staging: Staging): Promise<string[][]> {
  const all: string[][] = []
  for await (const both of staging.resumable(runOf('').job)) {
    await using _ = both
    assert.equal(both.sealed, true, 'a resumable stage must be sealed')
    const texts: string[] = []
    for await (const event of both.contents.drain()) {
      texts.push(eventText(event))
      if (event.type === 'file')
        assert.equal((await bytesOf(event.file.open())).length, event.file.size, 'a resumed file must have its size')
    }
    all.push(texts)
  }
  return all
}
