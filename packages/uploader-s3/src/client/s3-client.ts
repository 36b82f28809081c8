import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { fromIni, fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { HttpProxyAgent } from 'http-proxy-agent'
import { HttpsProxyAgent } from 'https-proxy-agent'
import type { ResolvedS3Settings } from '../s3-settings.ts'

const connectWithinMilliseconds = 15_000

/**
 * The client of the SDK for these settings. It tries nothing twice: what may be tried again is decided here, part by part, and by
 * the retry layer. Checksums and the signature of bodies are this package's own, since those of the SDK break stores that do not
 * know them.
 */
export function createS3Client(settings: ResolvedS3Settings): S3Client {
  if (settings.createClient !== undefined) return settings.createClient()
  const credentials = credentialsOf(settings)
  return new S3Client({
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Waiting for "100 Continue" costs a round trip, and some stores and proxies never say it.
    expectContinueHeader: false,
    forcePathStyle: settings.profile.pathStyle,
    requestHandler: requestHandler(settings),
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(credentials === undefined ? {} : { credentials }),
  })
}

function requestHandler({ ca, proxy, concurrency, silenceMilliseconds }: ResolvedS3Settings): NodeHttpHandler {
  const options = { keepAlive: true, maxSockets: Math.max(50, concurrency * 4) }
  const trust = ca === undefined ? {} : { ca }
  return new NodeHttpHandler({
    connectionTimeout: connectWithinMilliseconds,
    socketTimeout: silenceMilliseconds,
    httpAgent: proxy === undefined ? new HttpAgent(options) : new HttpProxyAgent(proxy, options),
    httpsAgent: proxy === undefined ? new HttpsAgent({ ...options, ...trust }) : new HttpsProxyAgent(proxy, { ...options, ...trust }),
  })
}

function credentialsOf({ credentials, assumeRole, region }: ResolvedS3Settings): S3ClientConfig['credentials'] | undefined {
  const own = ownCredentials(credentials)
  if (assumeRole === undefined) return own
  const { roleArn, externalId, sessionName = 'backup-planet', durationSeconds } = assumeRole
  return fromTemporaryCredentials({
    ...(own === undefined ? {} : { masterCredentials: own }),
    ...(region === undefined ? {} : { clientConfig: { region } }),
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
      ...(durationSeconds === undefined ? {} : { DurationSeconds: durationSeconds }),
    },
  })
}

function ownCredentials(credentials: ResolvedS3Settings['credentials']) {
  if (credentials === undefined) return undefined
  if ('profile' in credentials) return fromIni({ profile: credentials.profile })
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
