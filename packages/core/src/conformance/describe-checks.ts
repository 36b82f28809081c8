import { describe, it } from 'vitest'
import type { ConformanceCheck } from './conformance-check.ts'

/** One `it()` for each check, each with a harness of its own that is disposed afterwards. */
export function describeChecks<Harness extends { readonly dispose?: () => Promise<void> }>(
  name: string,
  checks: readonly ConformanceCheck<Harness>[],
  makeHarness: () => Promise<Harness>,
  timeoutMs = 60_000,
): void {
  describe(name, () => {
    for (const check of checks) {
      it(
        check.name,
        async () => {
          const harness = await makeHarness()
          try {
            await check.run(harness)
          } finally {
            await harness.dispose?.()
          }
        },
        timeoutMs,
      )
    }
  })
}
