import { BackupError } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { failureFacts, failureText, stackOf } from './failure-text.ts'
import { printable } from './output.ts'
import { textTable } from './text-table.ts'

test('a failure is a code, a message and a hint, also where the error brings none', () => {
  const error = new BackupError('nobody answers at db1:3306', { code: 'UNREACHABLE' })
  expect(failureText(failureFacts(error))).toMatchInlineSnapshot(`
    "failed: UNREACHABLE
      nobody answers at db1:3306
      hint: Check that the server runs and that its address and port are right, then try again."
  `)
  expect(failureFacts(new TypeError('x is not a function'))).toMatchObject({ code: 'UNKNOWN', message: 'TypeError: x is not a function' })
  expect(failureFacts('thrown text')).toMatchObject({ code: 'UNKNOWN', message: 'thrown text' })
})

test('the stack of causes is shown when it is asked for', () => {
  const error = new BackupError('outer', { code: 'UNKNOWN', cause: new Error('inner') })
  expect(stackOf(error)).toMatch(/outer[\s\S]*caused by: Error: inner/)
})

test('names cannot move the cursor or turn the writing direction', () => {
  expect(printable('a\u001b[2Jb\u202ec\nd')).toBe('a\ufffd[2Jb\ufffdc\ufffdd')
})

test('a table is as wide as its cells', () => {
  expect(
    textTable(
      [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'X' }],
      [
        ['orders', '1.0 GiB', ''],
        ['ü', '7 B', 'y'],
      ],
    ),
  ).toBe(['NAME       SIZE  X', 'orders  1.0 GiB', 'ü           7 B  y'].join('\n'))
})
