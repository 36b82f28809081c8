import { BackupError, type FailureCode } from '@backup-planet/core'

/** Of `tls` and OpenSSL: the other side shows a certificate that is not trusted, or is another's. */
const certificateFailure = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_PURPOSE)/

/** A failure of the network, with as much of its place as may be shown. Everything else is passed on as `UNKNOWN`. */
export function asBackupError(error: unknown, place: string): BackupError {
  const code = networkCodeOf(error)
  if (certificateFailure.test(code)) {
    return new BackupError(`the certificate of ${place} cannot be verified (${code})`, {
      code: 'WRONG_CREDENTIALS',
      hint: 'Write the name in its certificate into the settings, or name the file of the authority that signed it as caFile.',
    })
  }
  return new BackupError(`${place} cannot be reached (${code})`, {
    code: 'UNREACHABLE',
    hint: `Check that this machine can reach ${place}, and that its name and port are right.`,
  })
}

/** The deepest code there is: of several addresses that were tried, of the last. */
export function networkCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason'
  const inner = error instanceof AggregateError ? error.errors.at(-1) : error.cause
  const { code, originalCode } = error as NodeJS.ErrnoException & { readonly originalCode?: string }
  if (originalCode !== undefined) return originalCode
  return inner instanceof Error ? networkCodeOf(inner) : (code ?? error.name)
}

export function timedOut(place: string, timeoutMs: number, cause: unknown): BackupError {
  return new BackupError(`${place} did not answer within ${timeoutMs / 1000} s`, {
    code: 'TIMED_OUT',
    hint: `Look at the load of ${place} and at the network between, or set timeoutSeconds to more.`,
    cause,
  })
}

/** What a service of the web says by its status: RFC 9110, 15. `undefined` where it has taken the message. */
export function refusalOf(
  place: string,
  { status, text, retryAfterMs }: { readonly status: number; readonly text: string; readonly retryAfterMs: number | undefined },
): BackupError | undefined {
  if (status >= 200 && status < 300) return undefined
  const { code, hint } = meaningOf(status, place)
  return new BackupError(`${place} answered ${status}${text === '' ? '' : `: ${text}`}`, {
    code,
    hint,
    cause: retryAfterMs === undefined ? undefined : { retryAfterMs },
  })
}

/** How long the other side asked to be left alone, in milliseconds. */
export function askedPause(error: BackupError): number | undefined {
  const { retryAfterMs } = (error.cause ?? {}) as { readonly retryAfterMs?: unknown }
  return typeof retryAfterMs === 'number' ? retryAfterMs : undefined
}

function meaningOf(status: number, place: string): { readonly code: FailureCode; readonly hint: string } {
  if (status >= 300 && status < 400)
    return {
      code: 'UNSUPPORTED',
      hint: 'It sends elsewhere, and the secret in the URL is not carried there: write the URL that it names into the settings.',
    }
  if (status === 401 || status === 403)
    return { code: 'WRONG_CREDENTIALS', hint: 'Write a valid URL or token into the settings; it may have been withdrawn.' }
  if (status === 404 || status === 410)
    return { code: 'NOT_FOUND', hint: 'The URL leads nowhere: make a new one at the service and write it into the settings.' }
  if (status === 408 || status === 425 || status === 429)
    return { code: 'OVERLOADED', hint: `${place} asks to slow down; it is tried again later by itself.` }
  if (status >= 500) return { code: 'OVERLOADED', hint: `${place} has trouble of its own; it is tried again later by itself.` }
  return { code: 'INVALID_INPUT', hint: 'It does not take the content: choose the preset of this service, or correct the template.' }
}
