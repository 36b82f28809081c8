import type { ItemFailure, Stage } from '../contracts/index.ts'
import type { RunReporter } from '../events/run-reporter.ts'

export interface WatchedItems {
  readonly sealed: readonly string[]
  readonly failed: readonly { readonly item: string; readonly failure: ItemFailure }[]
}

/** The same stage, with a list of how each item ended. */
export function watchItems(stage: Stage, reporter: RunReporter): { readonly stage: Stage; readonly items: WatchedItems } {
  const sealed: string[] = []
  const failed: { item: string; failure: ItemFailure }[] = []
  return {
    items: { sealed, failed },
    stage: {
      directory: stage.directory,
      largestFile: stage.largestFile,
      folder: (item) => stage.folder(item),
      write: (file, content, options) => stage.write(file, content, options),
      adopt: (file, options) => stage.adopt(file, options),
      async sealItem(facts) {
        await stage.sealItem(facts)
        sealed.push(facts.item)
      },
      async failItem(item, failure) {
        await stage.failItem(item, failure)
        failed.push({ item, failure })
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
