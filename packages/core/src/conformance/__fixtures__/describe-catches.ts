import { describe, expect, it } from 'vitest'
import type { ConformanceCheck } from '../conformance-check.ts'

/** One promise that is broken, and a part of the name of the one check that must notice it. */
export interface Fault<Break> {
  readonly caughtBy: string
  readonly breakIt: Break
}

/**
 * Proves a suite: each fault must be caught by its check, and each check must catch some fault, since a check that never fails
 * promises nothing.
 */
export function describeCatches<Harness extends { readonly dispose?: () => Promise<void> }, Break>(
  contract: string,
  checks: readonly ConformanceCheck<Harness>[],
  faults: Readonly<Record<string, Fault<Break>>>,
  makeHarness: (breakIt: Break) => Harness | Promise<Harness>,
): void {
  const thoseWhichCatch = (caughtBy: string) => checks.filter(({ name }) => name.includes(caughtBy))
  describe.concurrent(`the ${contract} suite`, () => {
    for (const [fault, { caughtBy, breakIt }] of Object.entries(faults)) {
      it(`catches one that ${fault}`, async () => {
        const [check, ...more] = thoseWhichCatch(caughtBy)
        if (check === undefined || more.length > 0) throw new TypeError(`"${caughtBy}" is not the name of one check`)
        const harness = await makeHarness(breakIt)
        try {
          await expect(check.run(harness), check.name).rejects.toThrow()
        } finally {
          await harness.dispose?.()
        }
      })
    }

    it('has no check that catches nothing', () => {
      const caught = new Set(Object.values(faults).flatMap(({ caughtBy }) => thoseWhichCatch(caughtBy)))
      expect(checks.filter((check) => !caught.has(check)).map(({ name }) => name)).toEqual([])
    })
  })
}
