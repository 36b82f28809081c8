import { closeSync, lstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeTargets, writeWholeFile } from './target-writing.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'targets-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

const bytes = (text: string) => Buffer.from(text)
const facts = { mode: 0o640, modifiedAt: 1_000_000 }
const whole = (name: string) => ({ path: join(directory, name), ...facts })

describe.skipIf(process.platform === 'win32')('a plaintext', () => {
  test('goes to new files and into open ones', () => {
    const descriptor = openSync(join(directory, 'parts'), 'wx')
    const targets = [
      whole('one'),
      { descriptor, position: 7 },
      { path: join(directory, 'zwei-\xff'), ...facts },
      { descriptor, position: 0 },
    ]
    expect(writeTargets(bytes('content'), targets)).toBeUndefined()
    closeSync(descriptor)
    expect(readFileSync(join(directory, 'parts'), 'utf8')).toBe('contentcontent')
    expect(readFileSync(Buffer.from(join(directory, 'zwei-\xff'), 'latin1'), 'utf8')).toBe('content')
    expect(lstatSync(join(directory, 'one'))).toMatchObject({ mode: 0o100640, mtimeMs: 1_000_000_000, size: 7 })
  })

  test('replaces nothing, and follows no link: what is before such a target is written, and nothing behind it', () => {
    writeFileSync(join(directory, 'outside'), 'mine')
    symlinkSync('outside', join(directory, 'link'))
    symlinkSync('nowhere', join(directory, 'dangling'))
    for (const name of ['outside', 'link', 'dangling']) {
      const failed = writeTargets(bytes('evil'), [whole(`before ${name}`), whole(name), whole(`behind ${name}`)])
      expect(failed).toMatchObject({ target: 1, code: 'EEXIST' })
    }
    expect(readFileSync(join(directory, 'outside'), 'utf8')).toBe('mine')
    const made = ['before dangling', 'before link', 'before outside']
    expect(readdirSync(directory).sort()).toEqual([...made, 'dangling', 'link', 'outside'])
  })

  test('leaves nothing of a file that does not become whole, and no descriptor', () => {
    const before = openDescriptors()
    const path = bytes(join(directory, 'broken'))
    // What fails comes behind the content.
    const modifiedAt = 'no time' as unknown as number
    expect(() => writeWholeFile(path, bytes('content'), { mode: 0o644, modifiedAt })).toThrow()
    expect(readdirSync(directory)).toEqual([])
    expect(openDescriptors()).toBe(before)
  })
})

function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}
