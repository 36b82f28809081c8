import { expect, it } from 'vitest'
import { gtidsContinue } from './gtid-continuity.ts'

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

it.each([
  ['', '', true],
  [`${uuid}:1-5`, `${uuid}:1-5`, true],
  [`${uuid}:1-5`, `${uuid}:1-7`, true],
  [`${uuid}:1-5`, `${uuid}:1-4`, false],
  [`${uuid}:1-5`, `${uuid}:2-9`, false],
  ['', `${uuid}:1-5`, true],
  ['0-1-5', '0-1-5', true],
  ['0-1-5,1-1-9', '0-1-5', true],
  ['0-1-5', '0-1-6', false],
  ['0-1-5', '0-1-4', false],
  ['0-1-5', '0-1-5,1-1-1', false],
  ['0-1-5', 'something', false],
])('%j, then %j: %j', (after, before, continues) => {
  expect(gtidsContinue(after, before)).toBe(continues)
})
