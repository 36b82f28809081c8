import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { itemPath, snapshotTags, sourcePath, tagValue } from './backup-tree.ts'

const manifest = { application: 'mysql', source: { id: '1', name: 'db:3306', version: '11.8' } }

describe('the place of an item in a snapshot', () => {
  it('is below its application and server', () => {
    expect(sourcePath(manifest)).toEqual(['mysql', 'db%3A3306'])
    expect(itemPath(manifest, 'shop')).toEqual(['mysql', 'db%3A3306', 'shop'])
  })

  it('never leads elsewhere, and is another one for another item', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 5 }), (items) => {
        const paths = items.map((item) => itemPath({ application: '..', source: { ...manifest.source, name: '' } }, item))
        for (const segment of paths.flat()) expect(segment).not.toMatch(/^\.{0,2}$|[/\0\\]/)
        expect(new Set(paths.map((path) => path.join('/'))).size).toBe(items.length)
      }),
    )
  })
})

describe('the tags of a snapshot', () => {
  const facts = { id: 'run-1', job: 'shop', kind: 'full', application: 'mysql', status: 'complete' } as const

  it('say what it is', () => {
    expect(snapshotTags(facts)).toEqual(['id=run-1', 'job=shop', 'kind=full', 'application=mysql'])
    expect(snapshotTags({ ...facts, status: 'partial' }).at(-1)).toBe('status=partial')
  })

  it('give their values back, and have no comma, by which restic separates them', () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('%', ',', '2', '5', 'C', '=') }))
    fc.assert(
      fc.property(value, value, value, (id, job, application) => {
        const tags = snapshotTags({ ...facts, id, job, application })
        expect(tags.join('')).not.toContain(',')
        expect([tagValue(tags, 'id'), tagValue(tags, 'job'), tagValue(tags, 'application')]).toEqual([id, job, application])
      }),
    )
  })

  it('of others have no such value', () => {
    expect(tagValue(undefined, 'id')).toBeUndefined()
    expect(tagValue(['nightly', 'idx=1', 'xid=1'], 'id')).toBeUndefined()
    expect(tagValue(['id='], 'id')).toBe('')
  })
})
