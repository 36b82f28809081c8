import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { storageIdOf } from './storage-id.ts'
import { decodeTree, encodeTree, type WrittenNode } from './tree-blob.ts'

const owner = { uid: 1000, gid: 100 }
const modifiedAt = '2026-01-02T03:04:05.678Z'
const id = storageIdOf(Buffer.from('content'))
const subtree = storageIdOf(Buffer.from('tree'))

const name = fc
  .oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }))
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..')
const node: fc.Arbitrary<WrittenNode> = name.chain((text) =>
  fc.oneof(
    fc.record({
      type: fc.constant('dir'),
      name: fc.constant(text),
      modifiedAt: fc.constant(modifiedAt),
      subtree: fc.constant(subtree),
    } as const),
    fc.record({
      type: fc.constant('file'),
      name: fc.constant(text),
      modifiedAt: fc.constant(modifiedAt),
      size: fc.nat(),
      content: fc.array(fc.constantFrom(id, subtree), { maxLength: 3 }),
    } as const),
  ),
)
const nodes = fc.uniqueArray(node, { selector: (entry) => entry.name, maxLength: 20 })

describe('a tree', () => {
  it('is what restic writes: the fields of its Node in their order, and a newline', () => {
    const tree = encodeTree(
      [
        { type: 'file', name: 'b.sql', modifiedAt, size: 7, content: [id] },
        { type: 'dir', name: 'a', modifiedAt, subtree },
        { type: 'file', name: 'empty', modifiedAt, size: 0, content: [] },
      ],
      owner,
    )
    const times = `"mtime":"${modifiedAt}","atime":"${modifiedAt}","ctime":"${modifiedAt}","uid":1000,"gid":100`
    expect(tree.toString()).toBe(
      `{"nodes":[{"name":"a","type":"dir","mode":2147484096,${times},"content":null,"subtree":"${subtree}"},` +
        `{"name":"b.sql","type":"file","mode":384,${times},"size":7,"content":["${id}"]},` +
        `{"name":"empty","type":"file","mode":384,${times},"content":[]}]}\n`,
    )
    expect(encodeTree([], owner).toString()).toBe('{"nodes":[]}\n')
  })

  it('comes back', () => {
    fc.assert(
      fc.property(nodes, (written) => {
        const read = decodeTree(encodeTree(written, owner))
        expect(read.map((entry) => entry.name.toString()).sort()).toEqual(written.map((entry) => entry.name).sort())
        for (const entry of written) {
          const found = read.find(({ name }) => name.toString() === entry.name)
          expect(found).toMatchObject({ type: entry.type, modifiedAt, mode: entry.type === 'dir' ? 0o700 : 0o600, linkTarget: undefined })
          if (entry.type === 'dir') expect(found).toMatchObject({ subtree: entry.subtree, content: [] })
          else expect(found).toMatchObject({ subtree: undefined, size: entry.size, content: entry.content })
        }
      }),
    )
  })

  it('is the same bytes in whatever order its entries come, and sorted by the bytes of their names', () => {
    fc.assert(
      fc.property(
        nodes.chain((written) => fc.tuple(fc.constant(written), fc.shuffledSubarray([...written], { minLength: written.length }))),
        ([written, shuffled]) => {
          const tree = encodeTree(written, owner)
          expect(encodeTree(shuffled, owner)).toEqual(tree)
          const names = decodeTree(tree).map((entry) => entry.name)
          expect(names).toEqual([...names].sort(Buffer.compare))
        },
      ),
    )
    // UTF-16 sorts the dolphin before the private use character, UTF-8 behind it.
    const sorted = decodeTree(
      encodeTree(
        ['🐬', '\uffee', 'a', 'Z'].map((text) => ({ type: 'dir', name: text, modifiedAt, subtree })),
        owner,
      ),
    )
    expect(sorted.map((entry) => entry.name.toString())).toEqual(['Z', 'a', '\uffee', '🐬'])
  })

  it('has no two entries of one name', () => {
    const twice: WrittenNode[] = [
      { type: 'dir', name: 'a', modifiedAt, subtree },
      { type: 'file', name: 'a', modifiedAt, size: 0, content: [] },
    ]
    expect(() => encodeTree(twice, owner)).toThrow(TypeError)
    expect(() => decode({ name: 'a', type: 'dir', subtree }, { name: String.raw`\x61`, type: 'dir', subtree })).toThrow(
      /two entries called "a"/,
    )
  })
})

describe('a tree of restic', () => {
  it('is read with links, special modes and names that are no Unicode', () => {
    const [link, setuid, odd] = decode(
      { name: 'link', type: 'symlink', mode: 0x08000000 + 0o777, linktarget: 'there', content: null },
      { name: 'suid', type: 'file', mode: 0x00800000 + 0x00400000 + 0x00100000 + 0o755, size: 3, content: [id] },
      { name: String.raw`\xff\xfe`, type: 'symlink', linktarget: '\ufffd', linktarget_raw: Buffer.of(0xff).toString('base64') },
    )
    expect(link).toMatchObject({ type: 'symlink', mode: 0o777, linkTarget: Buffer.from('there'), content: [], size: 0 })
    expect(setuid).toMatchObject({ mode: 0o7755, size: 3, content: [id] })
    expect(odd).toMatchObject({ name: Buffer.of(0xff, 0xfe), linkTarget: Buffer.of(0xff), mode: 0, modifiedAt: undefined })
  })

  it('may have no list of nodes, as Go writes an empty one', () => {
    expect(decodeTree(Buffer.from('{"nodes":null}'))).toEqual([])
  })

  it('may have fields that nobody knows', () => {
    expect(decode({ name: 'a', type: 'fifo', links: 1, device_id: 3, extended_attributes: [{ name: 'x', value: 'y' }] })).toHaveLength(1)
  })
})

describe('a hostile tree', () => {
  it.each([
    ['no object', [1]],
    ['no name', [{ type: 'file' }]],
    ['no type', [{ name: 'a' }]],
    ['an empty name', [{ name: '', type: 'file' }]],
    ['the folder itself', [{ name: '.', type: 'file' }]],
    ['the folder above', [{ name: '..', type: 'file' }]],
    ['the folder above, escaped', [{ name: String.raw`\x2e\056`, type: 'file' }]],
    ['a path', [{ name: '../../etc/passwd', type: 'file' }]],
    ['a path, escaped', [{ name: String.raw`..\x2fetc`, type: 'file' }]],
    ['a path, escaped in JSON and as Go does', [{ name: '\\u002fetc', type: 'file' }]],
    ['NUL', [{ name: 'a\0b', type: 'file' }]],
    ['NUL, escaped', [{ name: String.raw`a\x00`, type: 'file' }]],
    ['an escape that is none', [{ name: '\\', type: 'file' }]],
    ['a negative size', [{ name: 'a', type: 'file', size: -1 }]],
    ['half a byte', [{ name: 'a', type: 'file', size: 0.5 }]],
    ['a size that no number holds', [{ name: 'a', type: 'file', size: 2 ** 60 }]],
    ['a size that is no number', [{ name: 'a', type: 'file', size: '1' }]],
    ['a size that cannot even be shown', [{ name: 'a', type: 'file', size: { toString: 1, valueOf: 1 } }]],
    ['content that is no list', [{ name: 'a', type: 'file', content: 'abc' }]],
    ['content that is no id', [{ name: 'a', type: 'file', content: ['../config'] }]],
    ['a folder without a tree', [{ name: 'a', type: 'dir' }]],
    ['a folder whose tree is no id', [{ name: 'a', type: 'dir', subtree: 'x'.repeat(64) }]],
    ['a file with a tree', [{ name: 'a', type: 'file', subtree }]],
    ['a link with a tree', [{ name: 'a', type: 'symlink', subtree }]],
  ])('with %s is refused', (_, entries) => {
    expect(() => decode(...entries)).toThrow(SyntaxError)
  })

  it('is refused with a SyntaxError, and never with anything else', () => {
    const field = fc.constantFrom(
      'name',
      'type',
      'size',
      'content',
      'subtree',
      'mode',
      'mtime',
      'linktarget',
      'linktarget_raw',
      '__proto__',
      'nodes',
    )
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('dir', 'file', id, 'a', '..', '\\', null, [id], { toString: null }, { valueOf: 1, toString: 1 }, 1e308, -0),
    )
    const entry = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.dictionary(field, value, { noNullPrototype: true }))
    const text = fc.oneof(
      fc.array(entry, { maxLength: 4 }).map((entries) => JSON.stringify({ nodes: entries })),
      fc.json(),
      fc.string(),
      fc.constantFrom('[', '{"nodes":[{}', '['.repeat(100_000), `{"nodes":${'['.repeat(100_000)}`),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          text.map((json) => Buffer.from(json)),
          fc.uint8Array(),
        ),
        (bytes) => {
          try {
            for (const { name: found } of decodeTree(bytes)) expect(found.toString('latin1')).not.toMatch(/^\.{0,2}$|[/\0]/)
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is not repeated at length in the message', () => {
    expect(() => decode({ name: '/'.repeat(100_000), type: 'file' })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{0,200}$/s) }),
    )
  })
})

function decode(...entries: readonly unknown[]) {
  return decodeTree(Buffer.from(JSON.stringify({ nodes: entries })))
}
