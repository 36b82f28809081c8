import { BackupError, nearest } from '@backup-planet/core'
import { type S3ProfileName, s3ProfileNames } from './s3-profiles.ts'

/** What a destination says; everything else, secrets above all, belongs into the settings. */
export interface S3Destination {
  readonly bucket: string
  /** Without slash at either end; empty for the whole bucket. */
  readonly prefix: string
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly profile?: S3ProfileName | undefined
  readonly pathStyle?: boolean | undefined
}

const parameters = ['endpoint', 'region', 'profile', 'pathStyle'] as const

/**
 * Reads `s3://bucket/prefix?endpoint=https://host&region=name&profile=name&pathStyle=true`. The prefix is percent-encoded where
 * needed. Throws `INVALID_SETTINGS`, and never repeats what may be a secret.
 */
export function parseS3Destination(destination: string): S3Destination {
  const match = /^s3:\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/i.exec(destination)
  if (match === null) throw refused('it does not begin with s3://')
  const [, bucket = '', path = '', query = '', fragment] = match
  if (fragment !== undefined) throw refused('# must be written as %23')
  if (bucket.includes('@')) throw refused('it holds credentials, which would be printed with it', credentialsHint)
  return {
    bucket: assertBucket(bucket),
    prefix: assertPrefix(decoded(path)),
    ...parametersOf(new URLSearchParams(query)),
  }
}

/** The same as text; what is left out is left out. */
export function printS3Destination({ bucket, prefix, endpoint, region, profile, pathStyle }: S3Destination): string {
  const path = prefix === '' ? '' : `/${prefix.split('/').map(encodeURIComponent).join('/')}`
  const query = Object.entries({ endpoint, region, profile, pathStyle }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(String(value)).replaceAll('%3A', ':').replaceAll('%2F', '/')}`],
  )
  return `s3://${bucket}${path}${query.length === 0 ? '' : `?${query.join('&')}`}`
}

/** Names of buckets after Amazon's rules, and the older ones with capitals and underscores that some stores still have. */
export function isBucketName(bucket: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket) && !bucket.includes('..')
}

/** `undefined` when keys may begin with this prefix. */
export function prefixProblem(prefix: string): string | undefined {
  if (prefix.includes('\0') || !prefix.isWellFormed()) return 'it is no text that a store can keep'
  if (prefix !== '' && prefix.split('/').some((segment) => segment === '' || segment === '.' || segment === '..'))
    return 'it has an empty segment, . or ..'
  return Buffer.byteLength(prefix) > 512 ? 'it is longer than 512 bytes' : undefined
}

/** `undefined` when this is the address of a store, without path, credentials or question. */
export function endpointProblem(endpoint: string): string | undefined {
  const url = URL.parse(endpoint)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') return 'it is no URL with http or https'
  if (url.username !== '' || url.password !== '') return 'it holds credentials'
  if (url.search !== '' || url.hash !== '' || url.pathname !== '/') return 'it has more than a host and a port'
  return undefined
}

function assertBucket(bucket: string): string {
  if (bucket === '') throw refused('it names no bucket')
  if (!isBucketName(bucket)) throw refused(`${JSON.stringify(bucket)} is no name of a bucket`)
  return bucket
}

function assertPrefix(path: string): string {
  const prefix = path.replace(/^\//, '').replace(/\/$/, '')
  const problem = prefixProblem(prefix)
  if (problem !== undefined) throw refused(`its prefix cannot be used: ${problem}`)
  return prefix
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw refused('its prefix is not percent-encoded as it should be')
  }
}

function parametersOf(query: URLSearchParams): Omit<S3Destination, 'bucket' | 'prefix'> {
  const found: { endpoint?: string; region?: string; profile?: S3ProfileName; pathStyle?: boolean } = {}
  for (const [name, value] of query) {
    if (!(parameters as readonly string[]).includes(name)) {
      const closest = nearest(name, parameters)
      throw refused(
        `it has the unknown parameter ${JSON.stringify(name)}${closest === undefined ? '' : `, did you mean "${closest}"?`}`,
        /secret|key|token|password/i.test(name) ? credentialsHint : undefined,
      )
    }
    if (query.getAll(name).length > 1) throw refused(`it gives ${name} more than once`)
    if (name === 'endpoint') {
      const problem = endpointProblem(value)
      if (problem !== undefined) throw refused(`its endpoint cannot be used: ${problem}`)
      found.endpoint = value.replace(/\/$/, '')
    } else if (name === 'region') {
      if (!/^[A-Za-z0-9-]{1,64}$/.test(value)) throw refused('its region is no name of a region')
      found.region = value
    } else if (name === 'profile') {
      if (!isProfile(value)) throw refused(`its profile is none of ${s3ProfileNames.join(', ')}`)
      found.profile = value
    } else {
      if (value !== 'true' && value !== 'false') throw refused('its pathStyle is neither true nor false')
      found.pathStyle = value === 'true'
    }
  }
  return found
}

function isProfile(text: string): text is S3ProfileName {
  return (s3ProfileNames as readonly string[]).includes(text)
}

const credentialsHint =
  'Take the secret out of the destination and give it as credentials in the settings of the uploader, from a file or the environment.'

function refused(reason: string, hint?: string): BackupError {
  return new BackupError(`destination cannot be used: ${reason}`, {
    code: 'INVALID_SETTINGS',
    hint:
      hint ??
      'Write s3://bucket/prefix, and for a store other than AWS its address behind: s3://bucket/prefix?endpoint=https://s3.example.com',
  })
}
