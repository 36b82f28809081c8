import { expect, test } from 'vitest'
import { PathSelection, shownPath } from './path-selection.ts'

const path = (text: string) => text.split('/').map((name) => Buffer.from(name, 'latin1'))

test('without paths, everything is wanted', () => {
  const selection = new PathSelection()
  expect(selection.selects(path('a/b'))).toBe(true)
  expect(selection.leadsTo(path('a'))).toBe(false)
})

test('without any path in the list, nothing is wanted', () => {
  const selection = new PathSelection([])
  expect(selection.selects(path('a'))).toBe(false)
  expect(selection.reaches(path('a'))).toBe(false)
})

test('a path stands for itself and all below it, and not for what only begins like it', () => {
  const selection = new PathSelection(['/home/ann/', 'etc'])
  const found = (text: string) => [selection.selects(path(text)), selection.leadsTo(path(text)), selection.reaches(path(text))]
  expect(found('home')).toEqual([false, true, true])
  expect(found('home/ann')).toEqual([true, false, true])
  expect(found('home/ann/a/b')).toEqual([true, false, true])
  expect(found('home/anna')).toEqual([false, false, false])
  expect(found('home/an')).toEqual([false, false, false])
  expect(found('etc')).toEqual([true, false, true])
  expect(found('et')).toEqual([false, false, false])
})

test('bytes that are no UTF-8 are compared as bytes', () => {
  const selection = new PathSelection([Buffer.from('a/\xff\xfe', 'latin1')])
  expect(selection.selects(path('a/\xff\xfe'))).toBe(true)
  expect(selection.selects(path('a/\xff\xfd'))).toBe(false)
  expect(shownPath(path('a/\xff'))).toBe('/a/\uFFFD')
})

test('paths that there are not are all named', () => {
  const selection = new PathSelection(['/home', 'größe', '/gone/'])
  expect(() => selection.assertAllFound([path('home')], 'abcdefabcdef')).toThrow('snapshot abcdefab has no "größe", "gone"')
})
