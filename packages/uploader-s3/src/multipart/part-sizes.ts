/** Limits of S3 ("Amazon S3 multipart upload limits", Amazon S3 User Guide), which all stores here keep or exceed. */
export const mostParts = 10_000
export const smallestPartBytes = 5 * 1024 ** 2
export const largestPartBytes = 5 * 1024 ** 3
export const largestObjectBytes = 5 * 1024 ** 4

const mebibyte = 1024 ** 2
/** Steps in which parts of content of unknown size grow. */
const steps = 10

export interface PartPlan {
  /** Bytes of the part of this number, from 1; the last one may be shorter. */
  bytesOf(part: number): number
  /** What all parts together can hold. */
  readonly capacityBytes: number
}

/**
 * How content is cut into parts. Known size: equal parts, as small as `firstPartBytes` allows and as large as 10,000 of them must
 * be. Unknown size: they begin small and grow after every thousand, up to `mostPartBytes`, so that little content needs little
 * memory and 5 TiB fit. Where a store wants `equal` parts, those of unknown content have the middle between both.
 */
export function planParts(request: {
  readonly size: number | undefined
  readonly firstPartBytes: number
  readonly mostPartBytes: number
  readonly equal: boolean
}): PartPlan {
  const { size, firstPartBytes, equal } = request
  const mostPartBytes = Math.min(largestPartBytes, Math.max(firstPartBytes, request.mostPartBytes))
  if (size !== undefined) return equalParts(Math.min(mostPartBytes, Math.max(firstPartBytes, wholeMebibytes(size / mostParts))))
  if (equal) return equalParts(Math.min(mostPartBytes, firstPartBytes * 4))
  const perStep = mostParts / steps
  const sizes = Array.from({ length: steps }, (_, step) => Math.min(mostPartBytes, firstPartBytes * (step + 1) ** growth))
  const whole = sizes.map((bytes) => Math.min(mostPartBytes, wholeMebibytes(bytes)))
  return {
    bytesOf: (part) => whole[Math.min(steps - 1, Math.floor((part - 1) / perStep))] ?? firstPartBytes,
    capacityBytes: Math.min(
      largestObjectBytes,
      whole.reduce((sum, bytes) => sum + bytes * perStep, 0),
    ),
  }
}

/** 8 MiB · 1000 · (1 + 2^2.3 + … + 10^2.3) is more than 5 TiB, and no part of it larger than it must be. */
const growth = 2.3

function equalParts(bytes: number): PartPlan {
  return { bytesOf: () => bytes, capacityBytes: Math.min(largestObjectBytes, bytes * mostParts) }
}

function wholeMebibytes(bytes: number): number {
  return Math.ceil(bytes / mebibyte) * mebibyte
}
