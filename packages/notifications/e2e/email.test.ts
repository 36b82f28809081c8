import { createServer } from 'node:net'
import { freePort } from '@backup-planet/tooling/free-port'
import { startThrowawaySmtp } from '@backup-planet/tooling/throwaway-smtp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { oddMessage } from '../src/__fixtures__/sample-message.ts'
import { type ChannelSettings, createChannel } from '../src/index.ts'
import { makeTwoCertificates, type TwoCertificates } from './certificates.ts'

let certificates: TwoCertificates
beforeAll(async () => {
  certificates = await makeTwoCertificates()
})
afterAll(() => certificates[Symbol.asyncDispose]())

const password = 'sw0rdfish-"long"'
const login = { user: 'backup', password }

type EmailChannelSettings = Extract<ChannelSettings, { kind: 'email' }>

function channelTo(port: number, more: Partial<EmailChannelSettings> = {}) {
  return createChannel('ops', {
    kind: 'email',
    host: '127.0.0.1',
    port,
    from: 'Backups <backup@example.org>',
    to: ['ops@example.org', 'Night Shift <night@example.org>'],
    caFile: certificates.right.authorityFile,
    timeoutSeconds: 10,
    ...more,
  })
}

describe('bad servers', () => {
  it('a server that offers no STARTTLS gets nothing', async () => {
    await using server = await startThrowawaySmtp()
    await expect(channelTo(server.port).send(oddMessage)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: `127.0.0.1:${server.port} offers no STARTTLS, so that everything would be readable on the way`,
      retryable: false,
    })
    expect(server.received).toEqual([])
  })

  it('a certificate that nobody vouches for is refused before the password is sent', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.wrong, login })
    for (const settings of [{}, { caFile: undefined }]) {
      await expect(channelTo(server.port, { ...settings, user: 'backup', password }).send(oddMessage)).rejects.toMatchObject({
        code: 'WRONG_CREDENTIALS',
        message: expect.stringMatching(/^the certificate of 127\.0\.0\.1:\d+ cannot be verified \([A-Z_]+\)$/) as string,
      })
    }
    expect(server.received).toEqual([])
  })

  it('a wrong password is told, and not shown', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.right, login })
    const sent = channelTo(server.port, { user: 'backup', password: 'wr0ng-one' }).send(oddMessage)
    await expect(sent).rejects.toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: `127.0.0.1:${server.port} answered 535 5.7.8 who is backup? to the login of backup`,
    })
    await sent.catch((error: unknown) => expect(JSON.stringify([error, String(error), (error as Error).stack])).not.toContain('wr0ng-one'))
  })

  it('greylisting may be tried again, a refusal is of this message, and a server that talks to nobody is told', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.right })
    server.refuse('from', 451, '4.7.1 greylisted, try again later', 1)
    await expect(channelTo(server.port).send(oddMessage)).rejects.toMatchObject({
      code: 'OVERLOADED',
      retryable: true,
      message: expect.stringContaining('451 4.7.1 greylisted') as string,
    })
    server.refuse('data', 554, '5.7.1 looks like spam', 1)
    await expect(channelTo(server.port).send(oddMessage)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      retryable: false,
      message: expect.stringContaining('554 5.7.1 looks like spam') as string,
    })
    server.refuse('connect', 554, '5.7.1 your address is on a list', 1)
    await expect(channelTo(server.port).send(oddMessage)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(await channelTo(server.port).send(oddMessage)).toBe('250 2.0.0 taken')
  })

  it('connections that are refused, cut or stalled end, in time', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.right })
    for (const stage of ['connect', 'from', 'data'] as const) {
      server.cut(stage, 1)
      await expect(channelTo(server.port).send(oddMessage)).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    }
    await expect(channelTo(await freePort()).send(oddMessage)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)$/) as string,
    })
    server.stall('data')
    await expect(channelTo(server.port, { timeoutSeconds: 1 }).send(oddMessage)).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: `127.0.0.1:${server.port} did not answer within 1 s`,
    })
  })

  it('a server that greets nobody does not hold up longer than allowed, or than somebody waits', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = silent.address() as { port: number }
      for (const security of ['starttls', 'tls'] as const) {
        await expect(channelTo(port, { security, timeoutSeconds: 1 }).send(oddMessage)).rejects.toMatchObject({ code: 'TIMED_OUT' })
        const began = performance.now()
        await expect(channelTo(port, { security }).send(oddMessage, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
          code: 'ABORTED',
        })
        expect(performance.now() - began).toBeLessThan(5000)
      }
      await expect(channelTo(port).send(oddMessage, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    } finally {
      silent.close()
    }
  })
})

describe('an e-mail', () => {
  it('goes to several people over STARTTLS with a login, as plain text and as HTML that acts on nothing', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.right, login })
    expect(await channelTo(server.port, { user: 'backup', password }).send(oddMessage)).toBe('250 2.0.0 taken')
    const [email] = server.received
    expect(email).toMatchObject({ from: 'backup@example.org', to: ['ops@example.org', 'night@example.org'], secure: true, user: 'backup' })
    const raw = email?.raw ?? ''
    const [headers = ''] = raw.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n\r\n')
    expect(headers).toContain('From: Backups <backup@example.org>')
    expect(subjectIn(headers)).toBe('[backup-planet] shop: log backup failed (APPLICATION) <!channel> @everyone *bold* & "quoted"')
    expect(headers).toContain('Message-ID: <1784851200000.7.failed@db1.example.org.backup-planet>')
    expect(headers).toContain('In-Reply-To: <1784850000000.3.failed@db1.example.org.backup-planet>')
    expect(headers).toContain('Auto-Submitted: auto-generated')
    expect(headers).toContain('Content-Type: multipart/alternative')
    const [plain = '', html = ''] = parts(raw)
    expect(plain).toBe(`${oddMessage.body}\n`)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('shop: log backup failed (APPLICATION) &lt;!channel&gt;')
    expect(html).not.toContain('<script')
  })

  it('goes over TLS from the first byte, and without TLS where that was said', async () => {
    await using secure = await startThrowawaySmtp({ certificate: certificates.right, implicitTls: true })
    await channelTo(secure.port, { security: 'tls' }).send(oddMessage)
    expect(secure.received).toMatchObject([{ secure: true }])
    await using plain = await startThrowawaySmtp({ login })
    await channelTo(plain.port, { security: 'none', user: 'backup', password }).send(oddMessage)
    expect(plain.received).toMatchObject([{ secure: false, user: 'backup' }])
  })

  it('that one of several people does not get names them', async () => {
    await using server = await startThrowawaySmtp({ certificate: certificates.right, refusedRecipient: 'night@example.org' })
    expect(await channelTo(server.port).send(oddMessage)).toBe('250 2.0.0 taken; NOT taken for night@example.org')
    await expect(channelTo(server.port, { to: 'night@example.org' }).send(oddMessage)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('550 5.1.1 no such mailbox') as string,
    })
  })
})

/** Decoded: RFC 2047, 4.2. */
function subjectIn(headers: string): string {
  const words = /^Subject: (.*)$/m.exec(headers)?.[1] ?? ''
  return words
    .replaceAll(/\?= =\?/g, '?==?')
    .replaceAll(/=\?UTF-8\?Q\?([^?]*)\?=/g, (_, text: string) =>
      decodeURIComponent(text.replaceAll('_', '=20').replaceAll('%', '=25').replaceAll('=', '%')),
    )
}

/** Both parts of a multipart/alternative message, decoded. */
function parts(raw: string): readonly string[] {
  const boundary = /boundary="([^"]+)"/.exec(raw)?.[1] ?? 'none'
  return raw
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const at = part.indexOf('\r\n\r\n')
      const [headers, content] = [part.slice(0, at), part.slice(at + 4).replace(/\r\n$/, '')]
      const decoded = /quoted-printable/i.test(headers)
        ? Buffer.from(
            content
              .replaceAll(/=\r\n/g, '')
              .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
            'latin1',
          )
        : Buffer.from(content, /base64/i.test(headers) ? 'base64' : 'utf8')
      return decoded.toString('utf8').replaceAll('\r\n', '\n')
    })
}
