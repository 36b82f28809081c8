/**
 * What went wrong, as a closed set that callers may switch over. Codes are stable within a major version;
 * the message beside a code is free text.
 */
export const failureCodes = [
  /** The caller's signal was aborted. */
  'ABORTED',
  /** A configuration or settings value is wrong, missing or unknown. */
  'INVALID_SETTINGS',
  /** A name, plan or other argument cannot be used. */
  'INVALID_INPUT',
  /** The server, store or plugin cannot do what was asked. */
  'UNSUPPORTED',
  /** A file, object, backup, item or server object does not exist. */
  'NOT_FOUND',
  /** Something would be overwritten and nobody said that it may be. */
  'ALREADY_EXISTS',
  /** Credentials were accepted and do not suffice, or the operating system refuses. */
  'ACCESS_DENIED',
  /** User name, password, key or passphrase is wrong. */
  'WRONG_CREDENTIALS',
  /** Nobody answers, or the connection broke. */
  'UNREACHABLE',
  /** A server or store did not do its part in the time allowed. */
  'TIMED_OUT',
  /** A server or store is overloaded and asks to slow down. */
  'OVERLOADED',
  /** Somebody else works on the same thing: a lock, a second run, a changed target. */
  'CONFLICT',
  /** Bytes are not what their checksum, length or format says. */
  'CORRUPTED',
  /** A disk, quota or staging budget is full. */
  'OUT_OF_SPACE',
  /** The application moved while it was being captured, so that the copy is not one point in time. */
  'INCONSISTENT',
  /** The application reported a failure of its own. */
  'APPLICATION',
  /** None of the above; the cause says more. */
  'UNKNOWN',
] as const

export type FailureCode = (typeof failureCodes)[number]
