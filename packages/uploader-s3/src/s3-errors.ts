import { BackupError, type FailureCode } from '@backup-planet/core'

/**
 * Error codes of S3 ("List of error codes", Amazon S3 API Reference, Error responses), of the stores that speak its protocol, and
 * names that the SDK gives. Where a store answers without a body, the SDK takes the HTTP status or `NotFound` for a name.
 */
const codesByName: Readonly<Record<string, FailureCode>> = {
  NoSuchKey: 'NOT_FOUND',
  NotFound: 'NOT_FOUND',
  NoSuchBucket: 'NOT_FOUND',
  NoSuchVersion: 'NOT_FOUND',
  NoSuchUpload: 'CONFLICT',
  AccessDenied: 'ACCESS_DENIED',
  AllAccessDisabled: 'ACCESS_DENIED',
  AccountProblem: 'ACCESS_DENIED',
  Forbidden: 'ACCESS_DENIED',
  MethodNotAllowed: 'ACCESS_DENIED',
  ObjectLocked: 'ACCESS_DENIED',
  NotSignedUp: 'ACCESS_DENIED',
  UserSuspended: 'ACCESS_DENIED',
  InvalidAccessKeyId: 'WRONG_CREDENTIALS',
  SignatureDoesNotMatch: 'WRONG_CREDENTIALS',
  ExpiredToken: 'WRONG_CREDENTIALS',
  TokenRefreshRequired: 'WRONG_CREDENTIALS',
  InvalidToken: 'WRONG_CREDENTIALS',
  InvalidSecurity: 'WRONG_CREDENTIALS',
  CredentialsProviderError: 'WRONG_CREDENTIALS',
  ProviderError: 'WRONG_CREDENTIALS',
  ExpiredTokenException: 'WRONG_CREDENTIALS',
  UnrecognizedClientException: 'WRONG_CREDENTIALS',
  InvalidClientTokenId: 'WRONG_CREDENTIALS',
  InvalidIdentityToken: 'WRONG_CREDENTIALS',
  RequestTimeTooSkewed: 'WRONG_CREDENTIALS',
  RequestExpired: 'WRONG_CREDENTIALS',
  PermanentRedirect: 'INVALID_SETTINGS',
  Redirect: 'INVALID_SETTINGS',
  TemporaryRedirect: 'OVERLOADED',
  AuthorizationHeaderMalformed: 'INVALID_SETTINGS',
  IllegalLocationConstraintException: 'INVALID_SETTINGS',
  InvalidBucketName: 'INVALID_SETTINGS',
  InvalidStorageClass: 'INVALID_SETTINGS',
  InvalidTag: 'INVALID_SETTINGS',
  InvalidEncryptionAlgorithmError: 'INVALID_SETTINGS',
  ObjectLockConfigurationNotFoundError: 'INVALID_SETTINGS',
  NoSuchObjectLockConfiguration: 'INVALID_SETTINGS',
  InvalidObjectLock: 'INVALID_SETTINGS',
  InvalidRetentionPeriod: 'INVALID_SETTINGS',
  'KMS.NotFoundException': 'INVALID_SETTINGS',
  'KMS.DisabledException': 'INVALID_SETTINGS',
  SlowDown: 'OVERLOADED',
  ServiceUnavailable: 'OVERLOADED',
  Throttling: 'OVERLOADED',
  ThrottlingException: 'OVERLOADED',
  RequestLimitExceeded: 'OVERLOADED',
  TooManyRequests: 'OVERLOADED',
  TooManyRequestsException: 'OVERLOADED',
  BandwidthLimitExceeded: 'OVERLOADED',
  ServerBusy: 'OVERLOADED',
  InternalError: 'OVERLOADED',
  InternalServerError: 'OVERLOADED',
  RequestTimeout: 'TIMED_OUT',
  TimeoutError: 'TIMED_OUT',
  RequestTimeoutException: 'TIMED_OUT',
  QuotaExceeded: 'OUT_OF_SPACE',
  InsufficientCapacity: 'OUT_OF_SPACE',
  InsufficientStorage: 'OUT_OF_SPACE',
  XMinioStorageFull: 'OUT_OF_SPACE',
  XMinioAdminBucketQuotaExceeded: 'OUT_OF_SPACE',
  EntityTooLarge: 'UNSUPPORTED',
  EntityTooSmall: 'UNSUPPORTED',
  NotImplemented: 'UNSUPPORTED',
  InvalidArgument: 'UNSUPPORTED',
  InvalidRequest: 'UNSUPPORTED',
  MalformedXML: 'UNSUPPORTED',
  InvalidObjectState: 'UNSUPPORTED',
  MissingContentLength: 'UNSUPPORTED',
  KeyTooLongError: 'INVALID_INPUT',
  InvalidURI: 'INVALID_INPUT',
  BadDigest: 'CORRUPTED',
  InvalidDigest: 'CORRUPTED',
  IncompleteBody: 'UNREACHABLE',
  XAmzContentSHA256Mismatch: 'CORRUPTED',
  XAmzContentChecksumMismatch: 'CORRUPTED',
  InvalidPart: 'CONFLICT',
  InvalidPartOrder: 'CONFLICT',
  PreconditionFailed: 'CONFLICT',
  ConditionalRequestConflict: 'CONFLICT',
  OperationAborted: 'CONFLICT',
  BucketAlreadyExists: 'CONFLICT',
  AbortError: 'ABORTED',
}

const codesByStatus: Readonly<Record<number, FailureCode>> = {
  301: 'INVALID_SETTINGS',
  307: 'OVERLOADED',
  401: 'WRONG_CREDENTIALS',
  403: 'ACCESS_DENIED',
  404: 'NOT_FOUND',
  405: 'ACCESS_DENIED',
  407: 'WRONG_CREDENTIALS',
  408: 'TIMED_OUT',
  409: 'CONFLICT',
  411: 'UNSUPPORTED',
  412: 'CONFLICT',
  413: 'UNSUPPORTED',
  416: 'INVALID_INPUT',
  429: 'OVERLOADED',
  501: 'UNSUPPORTED',
  504: 'TIMED_OUT',
  507: 'OUT_OF_SPACE',
}

/** Error codes of the operating system (errno(3), getaddrinfo(3)), of Node.js and of OpenSSL. */
const codesByErrno: readonly (readonly [pattern: RegExp, code: FailureCode])[] = [
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT)$/, 'TIMED_OUT'],
  [/^(ECONN\w+|EPIPE|ENOTFOUND|EAI_\w+|EHOST\w+|ENET\w+|EADDRNOTAVAIL|ENOTCONN|ERR_STREAM_PREMATURE_CLOSE)$/, 'UNREACHABLE'],
  [/^(HPE_\w+|ERR_SSL_\w+|ERR_TLS_\w+|EPROTO)$/, 'UNREACHABLE'],
  [/^(EMFILE|ENFILE|EAGAIN)$/, 'OVERLOADED'],
  [/^(CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|HOSTNAME_MISMATCH|INVALID_CA)$/, 'ACCESS_DENIED'],
]
/** Certificates do not become right by waiting, and a name that does not match is no passing trouble. */
const certificateErrno =
  /^(CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_CERT_\w+)$/

interface S3ErrorFacts {
  readonly name: string | undefined
  readonly status: number | undefined
  readonly errno: string | undefined
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  /** What an error in XML says beside code and message. */
  readonly region: string | undefined
}

function factsOf(error: unknown): S3ErrorFacts {
  const seen = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly name?: unknown
    readonly Code?: unknown
    readonly code?: unknown
    readonly message?: unknown
    readonly Region?: unknown
    readonly cause?: unknown
    readonly errors?: unknown
    readonly $metadata?: { readonly httpStatusCode?: unknown }
    readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
  }
  const inner = Array.isArray(seen.errors) ? (seen.errors[0] as { code?: unknown } | undefined)?.code : undefined
  const status = seen.$metadata?.httpStatusCode
  return {
    name: typeof seen.Code === 'string' ? seen.Code : typeof seen.name === 'string' ? seen.name : undefined,
    status: typeof status === 'number' ? status : undefined,
    errno: [seen.code, inner].find((code): code is string => typeof code === 'string'),
    message: typeof seen.message === 'string' ? seen.message : '',
    headers: seen.$response?.headers ?? {},
    region: typeof seen.Region === 'string' ? seen.Region : undefined,
  }
}

/** Names the failure behind an error of the SDK, of Node.js's network, or of a store. */
export function classifyS3Error(error: unknown): FailureCode {
  if (BackupError.is(error)) return error.code
  const { name, status, errno, message } = factsOf(error)
  if (errno !== undefined && certificateErrno.test(errno)) return 'ACCESS_DENIED'
  const byName = name === undefined || !Object.hasOwn(codesByName, name) ? undefined : codesByName[name]
  if (byName !== undefined) return byName
  if (status !== undefined && status >= 300) return codesByStatus[status] ?? (status >= 500 ? 'OVERLOADED' : 'UNKNOWN')
  const byErrno = codesByErrno.find(([pattern]) => errno !== undefined && pattern.test(errno))?.[1]
  if (byErrno !== undefined) return byErrno
  if (message === 'Region is missing') return 'INVALID_SETTINGS'
  // What Node.js says without a code when the other end goes away.
  if (/socket hang up|aborted|other side closed|Client network socket disconnected/i.test(message)) return 'UNREACHABLE'
  // An answer that is no answer of a store: cut in the middle, or of something else on this port.
  if (status !== undefined && error instanceof Error) return 'UNREACHABLE'
  return 'UNKNOWN'
}

/** The names by which a store says that there is no such object, bucket or upload. */
export function isS3Error(error: unknown, ...names: readonly string[]): boolean {
  const { name } = factsOf(error)
  return name !== undefined && names.includes(name)
}

export function statusOf(error: unknown): number | undefined {
  return factsOf(error).status
}

/** How long a store asks to wait (RFC 9110, 10.2.3), in milliseconds from now. */
export function retryAfterOf(error: unknown): number | undefined {
  const given = factsOf(BackupError.is(error) ? error.cause : error).headers['retry-after']
  if (given === undefined) return undefined
  const milliseconds = /^\d+$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now()
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined
}

/** Where an error happened, for its message and hint. */
export interface S3Place {
  readonly destination: string
  readonly bucket: string
}

/**
 * The error to throw for what the SDK threw. BackupErrors and mistakes of the programmer pass as they are. The store's own words
 * are in the message; requests, and so signatures and keys, are not.
 */
export function s3Error(error: unknown, what: string, place: S3Place): unknown {
  if (BackupError.is(error)) return error
  const code = classifyS3Error(error)
  if (code === 'UNKNOWN' && statusOf(error) === undefined) return error
  const { name, status, errno } = factsOf(error)
  const said = [errno ?? (name === 'Error' ? undefined : name), status === undefined ? undefined : `HTTP ${status}`].filter(
    (part) => part !== undefined,
  )
  return new BackupError(`${what} failed${said.length === 0 ? '' : ` with ${said.join(', ')}`} at ${place.destination}`, {
    code,
    retryable: mayPassAnew(error, code),
    hint: hintFor(error, code, place),
    cause: causeOf(error),
  })
}

/** For what the token service answered when a role was to be taken on. Mistakes of the programmer pass as they are. */
export function roleError(error: unknown, roleArn: string): unknown {
  if (BackupError.is(error)) return error
  const code = classifyS3Error(error)
  if (code === 'UNKNOWN' && statusOf(error) === undefined) return error
  const { name, errno } = factsOf(error)
  return new BackupError(`the role ${roleArn} cannot be taken on: ${errno ?? name ?? 'no answer'}`, {
    code,
    retryable: mayPassAnew(error, code),
    hint:
      code === 'ACCESS_DENIED'
        ? 'Let the trust policy of the role name whoever has these credentials, give externalId where the policy asks for one, and look at roleArn.'
        : 'Look at the credentials that take on the role, at roleArn, and at the endpoint of assumeRole, which must be the token service of the store.',
    cause: causeOf(error),
  })
}

/** Without the request of the SDK, whose headers hold a signature and perhaps a key, and which fills a log. */
function causeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { name, status, errno, headers } = factsOf(error)
  const requestId = headers['x-amz-request-id']
  const cause = new Error(error.message)
  cause.name = name ?? 'Error'
  return Object.assign(cause, {
    ...(errno === undefined ? {} : { code: errno }),
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(headers['retry-after'] === undefined ? {} : { $response: { headers: { 'retry-after': headers['retry-after'] } } }),
  })
}

/** Whether the whole operation may succeed when it begins anew; `undefined` where the code says it. */
function mayPassAnew(error: unknown, code: FailureCode): boolean | undefined {
  // A checksum that did not arrive as it was sent: the line, and so the next attempt, may be better.
  if (isS3Error(error, 'BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody')) return true
  // An upload that somebody else has ended begins anew.
  if (isS3Error(error, 'OperationAborted', 'ConditionalRequestConflict', 'NoSuchUpload')) return true
  return code === 'UNREACHABLE' && factsOf(error).errno === 'ENOTFOUND' ? true : undefined
}

const hintsByName: Readonly<Record<string, (facts: S3ErrorFacts, place: S3Place) => string>> = {
  NoSuchBucket: (_, { bucket }) =>
    `Create the bucket ${bucket}, or correct its name and the endpoint in the destination; a store looks for it in one region only.`,
  NoSuchUpload: () =>
    'Somebody else has ended or removed this multipart upload: let only one process write an object, and give lifecycle rules that remove unfinished uploads more days.',
  AccessDenied: (_, { bucket }) =>
    `Let these credentials read, write, list and remove in ${bucket} (the README has the policy), and look whether a policy of the bucket, an object lock or a key of encryption forbids it.`,
  ObjectLocked: () => 'The object is locked until its retention ends: it cannot be removed or replaced before.',
  MethodNotAllowed: () => 'The store does not allow this here: the object may be locked, or be a delete marker.',
  InvalidAccessKeyId: () => 'The store does not know this access key: correct accessKeyId, and look whether it belongs to this endpoint.',
  SignatureDoesNotMatch: () =>
    'The secret key does not belong to the access key: correct secretAccessKey. Behind a proxy, look whether it changes requests.',
  ExpiredToken: () => 'These credentials were for a time that is over: get new ones, or use a role that renews them by itself.',
  InvalidToken: () =>
    'The session token is wrong, or does not belong to the access key: give accessKeyId, secretAccessKey and sessionToken of one session.',
  CredentialsProviderError: () =>
    'No credentials were found: give them in the settings of the uploader, or in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile, or a role of this machine.',
  RequestTimeTooSkewed: ({ headers }) =>
    `The clock of this machine is wrong${headers.date === undefined ? '' : ` (the store says it is ${headers.date})`}: let it be set by the network, such as: timedatectl set-ntp true`,
  QuotaExceeded: (_, { bucket }) => `The quota of ${bucket} or of its owner is used up: raise it, or remove backups by retention.`,
  EntityTooLarge: () => 'The store does not take objects of this size: set smaller volumes or packs in the repository, or another store.',
  EntityTooSmall: () => 'The store wants larger parts: set partBytes to what it asks for.',
  InvalidObjectState: () => 'The object lies in an archive class: restore it to a class that can be read at once, then try again.',
  KeyTooLongError: () => 'Use a shorter prefix or shorter names: a key has 1024 bytes at most.',
  BadDigest: () => 'What arrived was not what was sent: look at the network and the memory of this machine if it happens again.',
  PreconditionFailed: () => 'The object was replaced while it was read or written: let only one process write it, and try again.',
}

const aliases: Readonly<Record<string, string>> = {
  Forbidden: 'AccessDenied',
  AllAccessDisabled: 'AccessDenied',
  TokenRefreshRequired: 'ExpiredToken',
  ExpiredTokenException: 'ExpiredToken',
  RequestExpired: 'RequestTimeTooSkewed',
  InsufficientCapacity: 'QuotaExceeded',
  InsufficientStorage: 'QuotaExceeded',
  XMinioStorageFull: 'QuotaExceeded',
  XMinioAdminBucketQuotaExceeded: 'QuotaExceeded',
  InvalidDigest: 'BadDigest',
  XAmzContentSHA256Mismatch: 'BadDigest',
  XAmzContentChecksumMismatch: 'BadDigest',
  ProviderError: 'CredentialsProviderError',
}

const hintsByCode: Readonly<Partial<Record<FailureCode, string>>> = {
  NOT_FOUND: 'Check the destination and its prefix; if they are right, the object was removed or never stored.',
  WRONG_CREDENTIALS: 'Correct the credentials in the settings of the uploader, or those of the environment, the profile or the role.',
  INVALID_SETTINGS: 'Correct what the store refuses in the settings of the uploader; its own words are in the cause.',
  OVERLOADED: 'The store asks for less: it is tried again by itself. Lower the concurrency if it goes on.',
  TIMED_OUT:
    'The store was silent for too long: look at the network between, and raise silenceMilliseconds for a slow one. A cluster of Ceph that is full answers no upload.',
  UNREACHABLE: 'Look at the network, the endpoint in the destination, the proxy and the firewall between this machine and the store.',
  OUT_OF_SPACE: 'The store is full, or the quota is used up: raise it, or remove backups by retention.',
  UNSUPPORTED: 'The store cannot do this: its own words are in the cause. `check` names what a store does not support.',
  CONFLICT: 'Somebody else works on the same object: let only one process write it, and try again.',
  CORRUPTED: 'Bytes changed on the way: try again, and look at the network and the memory of this machine.',
}

function hintFor(error: unknown, code: FailureCode, place: S3Place): string {
  const facts = factsOf(error)
  if (facts.errno !== undefined && certificateErrno.test(facts.errno)) {
    return 'The certificate of the store is not trusted by this machine or is for another name: correct the endpoint, or give the authority that signed it as caFile.'
  }
  if (facts.status === 407)
    return 'The proxy wants another user or password: write them into the setting proxy, http://user:password@host:port.'
  if (facts.message === 'Region is missing') return 'Add the region to the destination: s3://bucket/prefix?region=eu-central-1.'
  const region = facts.region ?? facts.headers['x-amz-bucket-region']
  if (
    facts.status === 301 ||
    /^(PermanentRedirect|Redirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/.test(facts.name ?? '')
  ) {
    return region === undefined
      ? `The bucket ${place.bucket} is in another region: write that one into the destination as region, and its endpoint if one is given.`
      : `The bucket ${place.bucket} is in the region ${region}: write region=${region} into the destination.`
  }
  const name = facts.name ?? ''
  const known = Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name
  if (Object.hasOwn(hintsByName, known)) return hintsByName[known]?.(facts, place) ?? ''
  if (code === 'ACCESS_DENIED') return hintsByName.AccessDenied?.(facts, place) ?? ''
  return hintsByCode[code] ?? "The store's own words are in the cause; correct what it names and try again."
}
