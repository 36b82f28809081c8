import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesOf, reopenable } from '@backup-planet/core/testing'
import { startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { makeCertificate, type ThrowawayCertificate } from '@backup-planet/tooling/throwaway-certificate'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createS3Uploader, type S3UploaderSettings } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'
import { startForwardProxy } from './forward-proxy.ts'
import { startTlsTerminator } from './tls-terminator.ts'

const bytes = Buffer.alloc(12 * 1024 ** 2, 'what is stored ')
/** In one request, and in parts. */
const contents = { little: bytes.subarray(0, 1000), large: bytes }

let ceph: CephPlace
let directory: string
let certificate: ThrowawayCertificate
let another: ThrowawayCertificate
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-access-'))
  certificate = await makeCertificate(directory, 'right')
  another = await makeCertificate(directory, 'wrong')
  ceph = await startCephPlace({ tokenService: true })
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

async function storesAndReads(settings: S3UploaderSettings): Promise<void> {
  await using uploader = createS3Uploader({ ...settings, partBytes: 5 * 1024 ** 2 })
  for (const [key, content] of Object.entries(contents)) {
    // Of unknown size, so that it goes in parts.
    await uploader.upload(key, { open: reopenable(content).open })
    expect(content.equals(await bytesOf(uploader.download(key)))).toBe(true)
  }
  expect(await uploader.check()).toEqual([])
}

function failureOf(settings: S3UploaderSettings): Promise<unknown> {
  const uploader = createS3Uploader(settings)
  return uploader.stat('key').then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
}

describe('over TLS', () => {
  it('stores and reads where the authority is given as caFile', async () => {
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    await storesAndReads(ceph.settings({ endpoint: secure.endpoint, caFile: certificate.authorityFile }))
  })

  it('refuses a certificate that the machine does not trust, whatever the environment says, and one of another authority', async () => {
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    const refused = { code: 'ACCESS_DENIED', retryable: false, hint: expect.stringContaining('caFile') }
    expect(await failureOf(ceph.settings({ endpoint: secure.endpoint }))).toMatchObject(refused)
    expect(await failureOf(ceph.settings({ endpoint: secure.endpoint, caFile: another.authorityFile }))).toMatchObject(refused)
    // What somebody sets for another program, Node.js would take for all of its connections.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await failureOf(ceph.settings({ endpoint: secure.endpoint }))).toMatchObject(refused)
    await using proxy = await startForwardProxy('user:password')
    const through = { endpoint: secure.endpoint, proxy: `http://user:password@127.0.0.1:${proxy.port}` }
    expect(await failureOf(ceph.settings(through))).toMatchObject(refused)
  })

  it('refuses a certificate for another name', async () => {
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    const endpoint = secure.endpoint.replace('127.0.0.1', 'localhost')
    expect(await failureOf(ceph.settings({ endpoint, caFile: certificate.authorityFile }))).toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('for another name'),
    })
  })
})

describe('through a proxy', () => {
  it('stores and reads, in requests that name the server, and in a tunnel for TLS', async () => {
    await using proxy = await startForwardProxy('user:pass word')
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    const setting = `http://user:pass%20word@127.0.0.1:${proxy.port}`
    await storesAndReads(ceph.settings({ proxy: setting }))
    expect(new Set(proxy.passed)).toEqual(new Set(['GET', 'PUT', 'POST', 'HEAD', 'DELETE']))
    const plain = proxy.passed.length
    await storesAndReads(ceph.settings({ proxy: setting, endpoint: secure.endpoint, caFile: certificate.authorityFile }))
    expect(new Set(proxy.passed.slice(plain))).toEqual(new Set(['CONNECT']))
  })

  it('says when the proxy wants another password, and when nobody listens there', async () => {
    await using proxy = await startForwardProxy('user:password')
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    const setting = `http://user:wrong-password@127.0.0.1:${proxy.port}`
    for (const more of [{}, { endpoint: secure.endpoint, caFile: certificate.authorityFile }]) {
      const error = await failureOf(ceph.settings({ proxy: setting, ...more }))
      expect(error).toMatchObject({ code: 'WRONG_CREDENTIALS', hint: expect.stringContaining('the setting proxy') })
      expect(String(error)).not.toContain('wrong-password')
    }
    expect(proxy.passed).toEqual([])
    await proxy[Symbol.asyncDispose]()
    expect(await failureOf(ceph.settings({ proxy: setting }))).toMatchObject({
      code: 'UNREACHABLE',
      hint: expect.stringContaining('proxy'),
    })
  })
})

describe('with a role', () => {
  const roleArn = 'arn:aws:iam:::role/backup'
  beforeAll(async () => {
    const trust = { Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/throwaway'] }, Action: ['sts:AssumeRole'] }
    const rights = { Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }
    const document = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
    await ceph.server.admin(['role', 'create', '--role-name=backup', '--path=/', `--assume-role-policy-doc=${document(trust)}`])
    await ceph.server.admin(['role-policy', 'put', '--role-name=backup', '--policy-name=all', `--policy-doc=${document(rights)}`])
  })

  it("takes it on at the store's own token service, and stores with what that gives", async () => {
    const seen: string[] = []
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      onAnswered: ({ method, path }, status) => void (path === '/' && seen.push(`${method} ${status}`)),
    })
    await storesAndReads(ceph.settings({ endpoint: proxy.endpoint, assumeRole: { roleArn } }))
    expect(seen, 'asked once for all').toEqual(['POST 200'])
  })

  it('takes it on at another token service, in TLS and by the authority of the settings', async () => {
    await using secure = await startTlsTerminator(ceph.server.port, certificate)
    const settings = ceph.settings({ assumeRole: { roleArn, endpoint: secure.endpoint }, caFile: certificate.authorityFile })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('key', reopenable(contents.little))
    expect(await failureOf({ ...settings, caFile: undefined })).toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining(`the role ${roleArn} cannot be taken on`),
    })
  })

  it('says when the role does not trust these credentials', async () => {
    const stranger = await ceph.server.addUser('stranger')
    const error = await failureOf(ceph.settings({ credentials: stranger, assumeRole: { roleArn } }))
    expect(error).toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining(roleArn),
      hint: expect.stringContaining('trust policy'),
    })
    expect(String(error)).not.toContain(stranger.secretAccessKey)
  })
})

describe('with what the machine gives', () => {
  /** Answers as the services of a cloud do that give credentials to the machines in it. */
  async function standIn(listener: RequestListener): Promise<string> {
    const server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** Nothing but this is said about credentials, by the environment or in files. */
  async function storesWith(environment: Readonly<Record<string, string>>): Promise<void> {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
    for (const [name, value] of Object.entries({
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      ...environment,
    }))
      vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    await using uploader = createS3Uploader(ceph.settings({ credentials: undefined }))
    await uploader.upload('key', reopenable(contents.little))
    expect(contents.little.equals(await bytesOf(uploader.download('key')))).toBe(true)
  }

  const expiration = new Date(Date.now() + 3_600_000).toISOString()
  const given = () => ({
    AccessKeyId: ceph.server.user.accessKeyId,
    SecretAccessKey: ceph.server.user.secretAccessKey,
    Token: '',
    Expiration: expiration,
  })

  it('the role of a container', async () => {
    const endpoint = await standIn((request, response) => {
      if (request.url === '/role' && request.headers.authorization === 'token-of-container') response.end(JSON.stringify(given()))
      else response.writeHead(401).end()
    })
    await storesWith({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/role`, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'token-of-container' })
  })

  it('the role of an instance, asked for with a session token', async () => {
    const path = '/latest/meta-data/iam/security-credentials/'
    const endpoint = await standIn(({ method, url = '', headers }, response) => {
      if (method === 'PUT' && url === '/latest/api/token') return response.end('token-of-instance')
      if (headers['x-aws-ec2-metadata-token'] !== 'token-of-instance') return response.writeHead(401).end()
      if (url === path) return response.end('role-of-instance')
      if (url === `${path}role-of-instance`) return response.end(JSON.stringify({ Code: 'Success', ...given() }))
      return response.writeHead(404).end()
    })
    await storesWith({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint, AWS_EC2_METADATA_DISABLED: 'false' })
  })

  it('a web identity, whose token lies in a file', async () => {
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, 'token-of-identity')
    const endpoint = await standIn((request, response) => {
      request.setEncoding('utf8')
      let said = ''
      request.on('data', (text: string) => {
        said += text
      })
      request.on('end', () => {
        const asked = new URLSearchParams(said)
        const right = asked.get('Action') === 'AssumeRoleWithWebIdentity' && asked.get('WebIdentityToken') === 'token-of-identity'
        if (!right) return response.writeHead(400).end()
        const { AccessKeyId, SecretAccessKey, Expiration } = given()
        const credentials = `<AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken></SessionToken><Expiration>${Expiration}</Expiration>`
        response.setHeader('content-type', 'text/xml')
        response.end(
          `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
        )
      })
    })
    await storesWith({
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/backup',
      AWS_ENDPOINT_URL_STS: endpoint,
      AWS_REGION: 'us-east-1',
    })
  })

  it('and says when what it gave is for a time that is over', async () => {
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: () => ({ kind: 'answer', status: 400, code: 'ExpiredToken' }),
    })
    await using uploader = createS3Uploader(ceph.settings({ endpoint: proxy.endpoint }))
    const expired = { code: 'WRONG_CREDENTIALS', retryable: false, hint: expect.stringContaining('a time that is over') }
    await expect(uploader.upload('key', reopenable(contents.little))).rejects.toMatchObject(expired)
    await expect(uploader.stat('key')).rejects.toMatchObject(expired)
    expect(await uploader.check()).toMatchObject([{ severity: 'error', code: 'WRONG_CREDENTIALS' }])
  })
})
