import { describe, expect, it } from 'vitest'
import { describeUploaderContract } from '../conformance/describe-uploader-contract.ts'
import { uploaderChecks } from '../conformance/uploader-checks.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { contractLayers } from './__fixtures__/contract-layers.ts'
import { withDryRun } from './with-dry-run.ts'

for (const [name, layer] of Object.entries(contractLayers)) {
  describeUploaderContract(name, {
    async makeUploader() {
      const memory = createMemoryUploader({ removesSeveral: true })
      return { uploader: layer(memory), another: () => memory.another(), everythingStored: async () => [...memory.objects.keys()] }
    },
  })
}

/** They read back what was pretended to be written, which a dry run says it cannot. */
const needsBytes = new Set([
  'gives back what was uploaded, with true facts, at once',
  'stores content that announces neither size nor hash',
  'stores an empty object',
  'stores an object of many pieces, in chunks of any size',
  'holds nothing of what was uploaded: its memory is used again',
  'gives each chunk of a download for keeps, never one buffer twice',
  'replaces an object, by a shorter, a longer and an empty one',
  'says that a missing object is missing, on the first read of a download',
  'removes an object and nothing else, and succeeds when there is none',
  'keeps odd names as they are, as objects and as folders',
  'keeps keys apart that some encoding would make equal',
  'reads ranges to the byte',
  'passes on the failure of the content, and leaves nothing or the old object',
  'does nothing at all when it is aborted beforehand',
  'stops an upload half-way at once, even while its content is stalled, and leaves nothing or the old object',
  'stops a download and a list half-way',
  'shows nothing of an upload before it resolves',
  'lets two uploads race for one key, and one of them win whole',
  'uploads and removes side by side in the same folders',
  'checks a good store, where it can, without finding an error, and leaves everything as it was',
])

describe('dry run layer keeps the uploader contract, except that it cannot read back what it did not write', () => {
  for (const check of uploaderChecks) {
    it(check.name, async () => {
      const memory = createMemoryUploader({ removesSeveral: true })
      const run = check.run({ uploader: withDryRun(memory) })
      if (needsBytes.has(check.name) || check.name.startsWith('refuses content')) {
        await expect(run).rejects.toThrow()
      } else await run
      expect(memory.objects.size).toBe(0)
    })
  }
})
