import fc from 'fast-check'
import { expect, test } from 'vitest'
import { largestObjectBytes, largestPartBytes, mostParts, planParts, smallestPartBytes } from './part-sizes.ts'

const mebibyte = 1024 ** 2
const unbounded = { firstPartBytes: 8 * mebibyte, mostPartBytes: Number.MAX_SAFE_INTEGER, equal: false }

test('content of known size fits 10,000 equal parts, which are no larger than they must be', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: BigInt(largestObjectBytes) }).map(Number), (size) => {
      const plan = planParts({ ...unbounded, size })
      const bytes = plan.bytesOf(1)
      expect(plan.capacityBytes).toBeGreaterThanOrEqual(size)
      expect(Math.ceil(size / bytes)).toBeLessThanOrEqual(mostParts)
      expect(plan.bytesOf(mostParts)).toBe(bytes)
      expect(bytes).toBe(Math.max(8 * mebibyte, Math.ceil(size / mostParts / mebibyte) * mebibyte))
    }),
  )
})

test('parts of unknown content begin small, never shrink, and reach 5 TiB', () => {
  const plan = planParts({ ...unbounded, size: undefined })
  expect(plan.bytesOf(1)).toBe(8 * mebibyte)
  let total = 0
  for (let part = 1; part <= mostParts; part++) {
    expect(plan.bytesOf(part)).toBeGreaterThanOrEqual(plan.bytesOf(Math.max(1, part - 1)))
    expect(plan.bytesOf(part)).toBeLessThanOrEqual(largestPartBytes)
    total += plan.bytesOf(part)
  }
  expect(total).toBeGreaterThanOrEqual(largestObjectBytes)
  expect(plan.capacityBytes).toBe(largestObjectBytes)
})

test('no part is larger than the memory allows, and the capacity says what that means', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: smallestPartBytes, max: 64 * mebibyte }),
      fc.integer({ min: smallestPartBytes, max: 256 * mebibyte }),
      fc.option(fc.nat(2 ** 31 - 1), { nil: undefined }),
      fc.boolean(),
      (firstPartBytes, mostPartBytes, size, equal) => {
        const plan = planParts({ firstPartBytes, mostPartBytes, size, equal })
        const largest = Math.max(firstPartBytes, mostPartBytes)
        let total = 0
        for (let part = 1; part <= mostParts; part++) {
          expect(plan.bytesOf(part)).toBeLessThanOrEqual(largest)
          total += plan.bytesOf(part)
        }
        expect(plan.capacityBytes).toBeLessThanOrEqual(total)
        if (equal) expect(plan.bytesOf(mostParts)).toBe(plan.bytesOf(1))
      },
    ),
    { numRuns: 20 },
  )
})
