import { expect, test } from 'vitest'
import { exampleBlocks, packageExamples } from './readme-examples.ts'

const readme =
  '# A\n\n```ts\nbefore()\n```\n\n## Example\n\n```ts\nfirst()\n```\n\n```sh\nnot this\n```\n\n```ts\nsecond()\n\n```\n\n## Settings\n\n```ts\nfragment\n```\n'

test('finds the programs of the section Example, and nothing else', () => {
  expect(packageExamples(readme)).toEqual(['first()\n', 'second()\n\n'])
  expect(packageExamples('# A\n\n```ts\nbefore()\n```\n')).toEqual([])
  expect(packageExamples('## Example: five minutes\n\n```ts\nlast()\n```\n')).toEqual(['last()\n'])
})

test('finds every block of a README', () => {
  expect(exampleBlocks(readme)).toHaveLength(4)
})
