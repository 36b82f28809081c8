import { BackupError, type UploaderPlugin } from '@backup-planet/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { commandLineOf } from '../__fixtures__/command-line-run.ts'
import { samplePlugin } from '../__fixtures__/sample-agent.ts'
import { markHeapAtOnce } from '../lean-memory.ts'

vi.mock('../lean-memory.ts', () => ({ markHeapAtOnce: vi.fn() }))

test('the heap is marked at once for an uploader through which many buffers pass, and for no other', async () => {
  const here = await commandLineOf(`repositories:
  far: { kind: archive, destination: "buffers://place" }
jobs:
  shop: { agent: sample, repository: far, settings: { host: sample, password: x } }
`)
  onTestFinished(() => here[Symbol.asyncDispose]())
  const plugin = (manyBuffers: boolean): UploaderPlugin => ({
    contract: 'uploader-plugin/1',
    schemes: ['buffers'],
    exampleDestination: 'buffers://place',
    manyBuffers,
    create() {
      throw new BackupError('seen', { code: 'INVALID_SETTINGS', hint: 'It was for this alone.' })
    },
  })
  await here.run(['list', 'shop'], { plugins: [samplePlugin(here.server), plugin(false)] })
  expect(markHeapAtOnce).not.toHaveBeenCalled()
  await here.run(['list', 'shop'], { plugins: [samplePlugin(here.server), plugin(true)] })
  expect(markHeapAtOnce).toHaveBeenCalledOnce()
})
