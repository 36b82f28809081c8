import type { ItemFailure, Stage, StagedFileFacts } from '../contracts/index.ts'
import type { RunReporter } from '../events/run-reporter.ts'

export interface WatchedItems {
  readonly sealed: readonly string[]
  /** Of all staged files of the items that did not fail. */
  readonly stagedBytes: number
  readonly failed: readonly { readonly item: string; readonly failure: ItemFailure }[]
}

/** The same stage, with a list of how each item ended. */
export function watchItems(stage: Stage, reporter: RunReporter): { readonly stage: Stage; readonly items: WatchedItems } {
  const sealed: string[] = []
  const failed: { item: string; failure: ItemFailure }[] = []
  const staged = new Map<string, number>()
  const counted = (file: StagedFileFacts): StagedFileFacts => {
    staged.set(file.item, (staged.get(file.item) ?? 0) + file.size)
    return file
  }
  return {
    items: {
      sealed,
      failed,
      get stagedBytes() {
        return [...staged.values()].reduce((sum, bytes) => sum + bytes, 0)
      },
    },
    stage: {
      directory: stage.directory,
      largestFile: stage.largestFile,
      folder: (item) => stage.folder(item),
      write: async (file, content, options) => counted(await stage.write(file, content, options)),
      adopt: async (file, options) => counted(await stage.adopt(file, options)),
      async sealItem(facts) {
        await stage.sealItem(facts)
        sealed.push(facts.item)
      },
      async failItem(item, failure) {
        await stage.failItem(item, failure)
        failed.push({ item, failure })
        staged.delete(item)
        reporter.problem({
          severity: 'error',
          code: failure.code,
          message: failure.message,
          hint: failure.hint ?? 'The other items are backed up; correct the cause and back this item up again.',
          item,
        })
      },
      seal: (facts) => stage.seal(facts),
    },
  }
}
