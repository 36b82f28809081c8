import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { checkServerIdentity } from 'node:tls'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { fromIni, fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { HttpProxyAgent } from 'http-proxy-agent'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { roleError } from '../s3-errors.ts'
import type { ResolvedS3Settings } from '../s3-settings.ts'

const connectWithinMilliseconds = 15_000

interface TrustOptions {
  readonly rejectUnauthorized: true
  readonly ca?: string
}

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
  // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED of some other program's sake does not switch it off.
  const trust: TrustOptions = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) }
  return new NodeHttpHandler({
    connectionTimeout: connectWithinMilliseconds,
    socketTimeout: silenceMilliseconds,
    httpAgent: proxy === undefined ? new HttpAgent(options) : new HttpProxyAgent(proxy, options),
    httpsAgent: proxy === undefined ? new HttpsAgent({ ...options, ...trust }) : tunnelAgent(proxy, options, trust),
  })
}

/**
 * The agent keeps what it is given for its connection to the proxy. What holds for the server behind the tunnel is added to each of its
 * connections, also its name where that is an address, which the agent forgets.
 */
function tunnelAgent(proxy: string, options: AgentOptions, trust: TrustOptions): HttpsProxyAgent<string> {
  const agent = new HttpsProxyAgent(proxy, { ...options, ...trust })
  const connect = agent.connect.bind(agent)
  agent.connect = (request, given) => {
    if (!given.secureEndpoint) return connect(request, given)
    const name = given.host ?? ''
    return connect(request, { ...given, ...trust, checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) })
  }
  return agent
}

function credentialsOf(settings: ResolvedS3Settings): S3ClientConfig['credentials'] | undefined {
  const own = ownCredentials(settings.credentials)
  const { assumeRole, region, profileName } = settings
  if (assumeRole === undefined) return own
  const { roleArn, externalId, sessionName = 'backup-planet', durationSeconds } = assumeRole
  // Stores that are not AWS have their token service where they are themselves.
  const endpoint = assumeRole.endpoint ?? (profileName === 'aws' ? undefined : settings.endpoint)
  const take = fromTemporaryCredentials({
    ...(own === undefined ? {} : { masterCredentials: own }),
    clientConfig: {
      requestHandler: requestHandler(settings),
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
    },
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
      ...(durationSeconds === undefined ? {} : { DurationSeconds: durationSeconds }),
    },
  })
  return () =>
    take().catch((error: unknown) => {
      throw roleError(error, roleArn)
    })
}

function ownCredentials(credentials: ResolvedS3Settings['credentials']) {
  if (credentials === undefined) return undefined
  if ('profile' in credentials) return fromIni({ profile: credentials.profile })
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
