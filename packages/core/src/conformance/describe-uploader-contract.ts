import { describe, it } from 'vitest'
import { uploaderChecks } from './uploader-checks.ts'
import type { UploaderHarness } from './uploader-harness.ts'

export interface UploaderContractSettings {
  /** Called for every check; the uploader works on an empty place that nothing else uses. */
  makeUploader(): Promise<UploaderHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves an uploader with vitest: lies to it, cuts it short, aborts it, races it, and looks at what is left. */
export function describeUploaderContract(name: string, settings: UploaderContractSettings): void {
  describe(`${name} keeps the uploader contract`, () => {
    for (const check of uploaderChecks) {
      it(
        check.name,
        async () => {
          const harness = await settings.makeUploader()
          try {
            await check.run(harness)
          } finally {
            await harness.dispose?.()
          }
        },
        settings.timeoutMs ?? 60_000,
      )
    }
  })
}
