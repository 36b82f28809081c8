import { freePort } from '@backup-planet/tooling/free-port'
import { type HttpReceiver, startHttpReceiver } from '@backup-planet/tooling/http-receiver'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { oddMessage } from '../src/__fixtures__/sample-message.ts'
import { askedPause } from '../src/channels/channel-errors.ts'
import { type ChannelSettings, createChannel, type NotificationMessage } from '../src/index.ts'
import { makeTwoCertificates, type TwoCertificates } from './certificates.ts'

let certificates: TwoCertificates
beforeAll(async () => {
  certificates = await makeTwoCertificates()
})
afterAll(() => certificates[Symbol.asyncDispose]())

const secret = 'T0000-B0000-s3cr3tp4rt0ftheurl'

function webhookTo({ url }: Pick<HttpReceiver, 'url'>, more: Partial<Extract<ChannelSettings, { kind: 'webhook' }>> = {}) {
  return createChannel('chat', {
    kind: 'webhook',
    url: `${url}/services/${secret}?key=${secret}`,
    insecure: true,
    timeoutSeconds: 10,
    ...more,
  })
}

/** The error of a message that was not taken, which shows nothing of the URL but its host. */
async function failureOf(sent: Promise<string>): Promise<unknown> {
  const error = await sent.then(
    (answer) => ({ answered: answer }),
    (caught: unknown) => caught,
  )
  expect(JSON.stringify([error, String(error), (error as Error).stack, (error as { hint?: string }).hint])).not.toContain(secret)
  return error
}

describe('bad services', () => {
  it('what they answer decides whether the message, the channel or only the moment is wrong', async () => {
    await using receiver = await startHttpReceiver()
    const expected = {
      400: 'INVALID_INPUT',
      401: 'WRONG_CREDENTIALS',
      403: 'WRONG_CREDENTIALS',
      404: 'NOT_FOUND',
      410: 'NOT_FOUND',
      413: 'INVALID_INPUT',
      429: 'OVERLOADED',
      500: 'OVERLOADED',
      503: 'OVERLOADED',
    }
    for (const [status, code] of Object.entries(expected)) {
      receiver.answer(({ path }) => ({ status: Number(status), body: `no\n such  thing: ${path}` }))
      const error = await failureOf(webhookTo(receiver).send(oddMessage))
      expect(error).toMatchObject({
        code,
        retryable: code === 'OVERLOADED',
        message: expect.stringContaining(`answered ${status}: no such thing: ***`) as string,
        hint: expect.stringMatching(/\.$/) as string,
      })
    }
  })

  it('say how long to leave them alone, in seconds, parts of them, or until when', async () => {
    await using receiver = await startHttpReceiver()
    for (const [header, seconds] of [
      ['7', 7],
      ['0.5', 0.5],
      [new Date(Date.now() + 60_000).toUTCString(), 60],
      ['soon', undefined],
    ] as const) {
      receiver.answer(() => ({ status: 429, headers: { 'retry-after': header } }))
      const error = await failureOf(webhookTo(receiver).send(oddMessage))
      const asked = askedPause(error as Parameters<typeof askedPause>[0])
      if (seconds === undefined) expect(asked).toBeUndefined()
      else expect(Math.abs((asked ?? 0) / 1000 - seconds)).toBeLessThanOrEqual(2)
    }
  })

  it('that send elsewhere are not followed: the secret stays where it was meant for', async () => {
    await using elsewhere = await startHttpReceiver()
    await using receiver = await startHttpReceiver()
    for (const status of [301, 302, 307, 308]) {
      receiver.answer(({ path }) => ({ status, headers: { location: elsewhere.url + path } }))
      expect(await failureOf(webhookTo(receiver).send(oddMessage))).toMatchObject({ code: 'UNSUPPORTED', retryable: false })
    }
    expect(elsewhere.requests).toEqual([])
  })

  it('that are slow, cut, or not there end, in time', async () => {
    await using receiver = await startHttpReceiver()
    receiver.answer(() => 'stall')
    expect(await failureOf(webhookTo(receiver, { timeoutSeconds: 1 }).send(oddMessage))).toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ did not answer within 1 s$/) as string,
    })
    expect(await failureOf(webhookTo(receiver).send(oddMessage, { signal: AbortSignal.timeout(200) }))).toMatchObject({ code: 'ABORTED' })
    expect(await failureOf(webhookTo(receiver).send(oddMessage, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
    receiver.answer(() => 'cut')
    expect(await failureOf(webhookTo(receiver).send(oddMessage))).toMatchObject({ code: 'UNREACHABLE', retryable: true })
    expect(receiver.requests).toHaveLength(3)
    expect(await failureOf(webhookTo({ url: `http://127.0.0.1:${await freePort()}` }).send(oddMessage))).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    })
  })

  it('that repeat the token of a header do not make it known', async () => {
    await using receiver = await startHttpReceiver()
    receiver.answer(({ headers }) => ({ status: 401, body: `unknown token ${headers.authorization?.split(' ')[1]}` }))
    const channel = webhookTo(receiver, { headers: { Authorization: 'Bearer t0k3n-0f-a-header' } })
    expect(await failureOf(channel.send(oddMessage))).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.stringMatching(/answered 401: unknown token \*\*\*$/) as string,
    })
  })

  it('that answer without end are not listened to', async () => {
    await using receiver = await startHttpReceiver()
    receiver.answer(() => ({ status: 200, body: 'x'.repeat(5_000_000) }))
    expect((await webhookTo(receiver).send(oddMessage)).length).toBeLessThan(400)
  })

  it('whose certificate nobody vouches for get nothing', async () => {
    await using receiver = await startHttpReceiver(certificates.wrong)
    for (const caFile of [certificates.right.authorityFile, undefined]) {
      expect(await failureOf(webhookTo(receiver, { insecure: false, caFile }).send(oddMessage))).toMatchObject({
        code: 'WRONG_CREDENTIALS',
      })
    }
    expect(receiver.requests).toEqual([])
    expect(await failureOf(webhookTo(receiver, { caFile: '/no/such/file' }).send(oddMessage))).toMatchObject({ code: 'INVALID_SETTINGS' })
  })
})

async function contentOf(preset: 'slack' | 'teams' | 'discord' | 'json', message: NotificationMessage) {
  await using receiver = await startHttpReceiver()
  await webhookTo(receiver, { preset }).send(message)
  const [request] = receiver.requests
  expect(request).toMatchObject({ method: 'POST', path: `/services/${secret}?key=${secret}` })
  expect(request?.headers['content-type']).toBe('application/json')
  expect(request?.headers['content-length']).toBe(String(Buffer.byteLength(request?.body ?? '')))
  return JSON.parse(request?.body ?? '') as Record<string, unknown>
}

const long: NotificationMessage = { ...oddMessage, subject: 'ä'.repeat(5000), body: `${'💾 line\n'.repeat(3000)}` }

describe('a webhook', () => {
  it('reaches Slack as header and section that are no markup, within its limits', async () => {
    const { text, blocks } = await contentOf('slack', oddMessage)
    expect(text).toBe('shop: log backup failed (APPLICATION) &lt;!channel&gt; @everyone *bold* &amp; "quoted"')
    expect(blocks).toEqual([
      { type: 'header', text: { type: 'plain_text', text: `:red_circle: ${oddMessage.subject}`, emoji: true } },
      { type: 'section', text: { type: 'plain_text', text: oddMessage.body, emoji: false } },
    ])
    const [header, section] = (await contentOf('slack', long)).blocks as { text: { text: string } }[]
    expect(header?.text.text.length).toBeLessThanOrEqual(150)
    expect(section?.text.text.length).toBeLessThanOrEqual(3000)
  })

  it('reaches Teams as one Adaptive Card whose texts are no markup, within its limit of 28 KB', async () => {
    const { type, attachments } = await contentOf('teams', oddMessage)
    expect(type).toBe('message')
    const [card] = attachments as {
      contentType: string
      content: { type: string; version: string; body: { type: string; inlines: { text: string }[] }[] }
    }[]
    expect(card?.contentType).toBe('application/vnd.microsoft.card.adaptive')
    expect(card?.content).toMatchObject({ type: 'AdaptiveCard', version: '1.4' })
    expect(card?.content.body.every((block) => block.type === 'RichTextBlock' && block.inlines.length === 1)).toBe(true)
    expect(
      card?.content.body
        .map(({ inlines }) => inlines[0]?.text)
        .join('\n')
        .replaceAll('\n \n', '\n\n'),
    ).toBe(`${oddMessage.subject}\n${oddMessage.body}`)
    expect(JSON.stringify(await contentOf('teams', long)).length).toBeLessThan(28 * 1024)
  })

  it('reaches Discord as an embed that calls nobody, within its limits', async () => {
    const { allowed_mentions, embeds } = await contentOf('discord', oddMessage)
    expect(allowed_mentions).toEqual({ parse: [] })
    expect(embeds).toMatchObject([
      {
        title: 'shop: log backup failed \\(APPLICATION\\) \\<!channel\\> @everyone \\*bold\\* & "quoted"',
        color: 0xd3_2f_2f,
        timestamp: oddMessage.at,
      },
    ])
    const [embed] = (await contentOf('discord', long)).embeds as { title: string; description: string }[]
    expect(embed?.title.length).toBeLessThanOrEqual(256)
    expect(embed?.description.length).toBeLessThanOrEqual(4096)
    expect(embed?.description.match(/```/g)).toHaveLength(2)
  })

  it('brings programs the message as it is', async () => {
    expect(await contentOf('json', oddMessage)).toEqual({ version: 1, ...oddMessage })
  })

  it('fills a template of values, and of text, and sends the headers that are given', async () => {
    await using receiver = await startHttpReceiver(certificates.right)
    const template = {
      room: 7,
      text: '{{ subject }} {{body}}',
      list: ['{{lastSuccess}}', null, true],
      nested: { '{{job}}': '{{job}}/{{task}}' },
    }
    const settings = { insecure: false, caFile: certificates.right.authorityFile, headers: { Authorization: `Bearer ${secret}` } }
    expect(await webhookTo(receiver, { ...settings, template }).send(oddMessage)).toBe('200 ok')
    await webhookTo(receiver, { ...settings, template: '{{severity}}: {{subject}}', method: 'PUT' }).send(oddMessage)
    const [first, second] = receiver.requests
    expect(JSON.parse(first?.body ?? '')).toEqual({
      room: 7,
      text: `${oddMessage.subject} ${oddMessage.body}`,
      list: ['', null, true],
      nested: { '{{job}}': 'shop/log' },
    })
    expect(first?.headers.authorization).toBe(`Bearer ${secret}`)
    expect(second).toMatchObject({ method: 'PUT', body: `bad: ${oddMessage.subject}` })
    expect(second?.headers['content-type']).toBe('text/plain; charset=utf-8')
  })
})

describe('a ping', () => {
  it('tells the start, the success and the failure of a run, at the places of a check', async () => {
    await using receiver = await startHttpReceiver()
    const channel = createChannel('check', { kind: 'ping', url: `${receiver.url}/ping/${secret}/?create=1`, insecure: true })
    for (const type of ['run-started', 'run-succeeded', 'run-failed', 'test'] as const)
      await channel.send({ ...oddMessage, type, body: `${type}!` })
    const base = `/ping/${secret}`
    expect(receiver.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      `POST ${base}/start?create=1 run-started!\n`,
      `POST ${base}?create=1 run-succeeded!\n`,
      `POST ${base}/fail?create=1 run-failed!\n`,
      `POST ${base}/log?create=1 test!\n`,
    ])
    receiver.answer(() => ({ status: 404, body: `not found: ${secret}` }))
    expect(await failureOf(channel.send(oddMessage))).toMatchObject({ code: 'NOT_FOUND' })
  })
})
