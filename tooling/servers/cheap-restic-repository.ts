import { createHash } from 'node:crypto'

/** Opens {@link cheapResticRepository}. */
export const cheapResticPassword = 'correct horse'

/**
 * The two objects of an empty restic repository (format version 2) whose key is the cheapest that scrypt knows, and so protects nothing. A
 * key as restic and we choose it takes half a second of the processor each time a repository is opened: tests that open one hundreds of
 * times begin with a copy of this one.
 */
export function cheapResticRepository(): Readonly<Record<string, Uint8Array>> {
  return { [`keys/${createHash('sha256').update(keyFile).digest('hex')}`]: keyFile, config }
}

const keyFile = Buffer.from(
  JSON.stringify({
    created: '2026-01-01T00:00:00Z',
    username: 'test',
    hostname: 'test',
    kdf: 'scrypt',
    N: 2,
    r: 1,
    p: 1,
    data: 'vEoUPCkv/KGEIK+bNQ45OaEnqRG7ggAv4IPUYER2TdeaVu/JFu+C1+ShXujNR4HCybrcyqz1BX0LM382r/cm3hl0kpT0R3Yjs/M77jkixtXYeT8MrG5PcZyCN7Z0wtibo8lUpFdkgCsMOWzBRhy2OQqGDqxPNvDvEn99WALxerPQPphOqe0k/dUrgtUxhqdnSG6I4qGbj+yYDnxSRHTxig==',
    salt: '3PIff+XbAPlgRqmhadMAt0iGvtAk1iOtMytmM05hu/mY7Gi/9xypWUYycAL3ZKx2tFjvc+ZtYZPFBFy9ZiYpMQ==',
  }),
)

const config = Buffer.from(
  '4GMnY2iyCO18N6KIagWCVF7TqB30ObqKrAvMyHRudfIPYG3fzpl7jrVkEplYKkiewYrD6WwKzm1sR2HA08jJBXXM62Yfy5P9n9cZKCmONImEkIY3HnYvd9/BLgZ1Q8nBf8vVlvdRE6LGGuhWufSGcCiUWRzWfS32nicj/cQ64JkYvz5MUV+xeHJD11cSkjeeKA8+IEvuGlJUqtw=',
  'base64',
)
