import { mkdir, rm, writeFile } from 'node:fs/promises'
import { assertSafePath } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { storeContents } from '../src/__fixtures__/small-repository.ts'
import { goJsonString } from '../src/format/go-json.ts'
import { quoteName, unquoteName } from '../src/format/go-quote.ts'
import { hardNames } from './folder-tree.ts'
import { createSharedPlace, initializeOurs, type SharedPlace } from './interoperability-fixture.ts'
import { resticProgram } from './restic-command.ts'

/** Characters that one of Go, JSON, the shell or a terminal takes for something else; all of them older than every Go that builds restic. */
const oddCharacters =
  '\\"\'`/xuU01749afnrtv\u0000\u0001\u0007\b\t\n\v\f\r\u001b\u007f\u0080\u0085\u009f\u00a0\u00ad\u0300\u061c\u200b\u200d\u2028\u2029\u202e\u2060\u3000\ue000\ufdd0\ufeff\ufffc\ufffd\uffff<>& é漢א🪐👩\u{e0001}\u{f0000}\u{10ffff}'
const characters = [...oddCharacters].filter((character) => character !== '/' && character !== '\0')

const fits = (name: Buffer) =>
  name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes(0x2f) && !/^\.\.?$/.test(name.toString())

/** Text of odd characters, text that looks escaped, and any bytes; each a name that a file can have. */
const fileName = fc
  .oneof(
    fc.array(fc.constantFrom(...characters), { minLength: 1, maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))),
    fc
      .array(fc.oneof(fc.constantFrom('\\', '\\x', '\\u', '\\U', '\\0', '\\"'), fc.stringMatching(/^[0-9a-fA-F]{1,8}$/)), {
        minLength: 1,
        maxLength: 6,
      })
      .map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ minLength: 1, maxLength: 24 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.constantFrom(...characters, 'part'), { minLength: 60, maxLength: 80 })
      .map((parts) => Buffer.from(parts.join('')).subarray(0, 255)),
  )
  .filter(fits)

/** Staged files have names that every system can have in a folder: no backslash, nothing like a drive. */
function isStageable(name: string): boolean {
  try {
    assertSafePath(name, 'file name')
    return true
  } catch {
    return false
  }
}

const count = Number(process.env.BACKUP_PLANET_NAME_COUNT ?? 1500)
const seed = Number(process.env.BACKUP_PLANET_SEED ?? 20260101)

describe.skipIf(resticProgram === undefined)(`generated names (seed ${seed})`, () => {
  async function sharedPlace(): Promise<SharedPlace> {
    const place = await createSharedPlace()
    onTestFinished(() => place[Symbol.asyncDispose]())
    await initializeOurs(place)
    return place
  }

  it('of files on the disk, stored by restic, are read by us as they are, and quoted by us as restic does it', async () => {
    const place = await sharedPlace()
    const source = Buffer.from(place.path('source'))
    const names = new Map([...hardNames, ...fc.sample(fileName, { numRuns: count, seed })].map((name) => [name.toString('latin1'), name]))
    await mkdir(source)
    onTestFinished(() => rm(source, { recursive: true, force: true }))
    for (const name of names.values()) await writeFile(Buffer.concat([source, Buffer.from('/'), name]), '')
    await place.restic.run(['backup', '.'], { directory: source.toString() })

    const [snapshot] = await collect(place.open().snapshots())
    const entries = await collect(place.open().entries(snapshot?.id ?? ''))
    const read = entries.map(({ pathBytes }) => Buffer.from(pathBytes).toString('latin1').slice(1))
    expect(read.sort()).toEqual([...names.keys()].sort())

    const { tree } = JSON.parse(await place.restic.run(['cat', 'snapshot', snapshot?.id ?? ''])) as { tree: string }
    const json = await place.restic.run(['cat', 'blob', tree])
    const written = (JSON.parse(json) as { nodes: { name: string }[] }).nodes.map(({ name }) => name)
    expect(written.map((name) => unquoteName(name).toString('latin1')).sort()).toEqual([...names.keys()].sort())
    const unicode = [...names.values()]
      .filter((name) => Buffer.from(name.toString('utf8')).equals(name))
      .map((name) => name.toString('utf8'))
    expect(unicode.length).toBeGreaterThan(count / 4)
    const asRestic = new Set(written)
    expect(unicode.map(quoteName).filter((name) => !asRestic.has(name))).toEqual([])
    expect(unicode.map((name) => `"name":${goJsonString(quoteName(name))},`).filter((text) => !json.includes(text))).toEqual([])
  })

  it('of our files are read by restic as they are', async () => {
    const place = await sharedPlace()
    const names = new Set(
      fc
        .sample(fileName, { numRuns: count, seed })
        .map((name) => name.toString('utf8'))
        .filter((name) => fits(Buffer.from(name)) && isStageable(name)),
    )
    expect(names.size).toBeGreaterThan(count / 10)
    await storeContents(place.open(), '20260101-1', { item: Object.fromEntries([...names].map((name) => [name, Buffer.alloc(0)])) })
    const folder = '/memory/server/item/'
    const listed = ((await place.restic.json(['ls', 'latest'])) as { path?: string }[]).flatMap(({ path = '' }) =>
      path.startsWith(folder) ? [path.slice(folder.length)] : [],
    )
    expect(listed.sort()).toEqual([...names].sort())
  })
})
