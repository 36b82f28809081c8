import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { ThrowawayCertificate } from './throwaway-certificate.ts'

export interface ReceivedEmail {
  readonly from: string
  readonly to: readonly string[]
  /** Headers and content as they came. */
  readonly raw: string
  readonly secure: boolean
  readonly user: string | undefined
}

export interface ThrowawaySmtpOptions {
  /** With one the server offers STARTTLS. */
  readonly certificate?: ThrowawayCertificate
  /** TLS from the first byte. */
  readonly implicitTls?: boolean
  /** Whoever sends must log in so. */
  readonly login?: { readonly user: string; readonly password: string }
  /** Name of the recipient that is always refused. */
  readonly refusedRecipient?: string
}

export type SmtpStage = 'connect' | 'from' | 'data'

/** A real SMTP server that takes everything, or what it is told not to take. */
export interface ThrowawaySmtp extends AsyncDisposable {
  readonly port: number
  readonly received: readonly ReceivedEmail[]
  /** How often somebody has connected. */
  readonly connections: number
  /** Answers the next so many messages with this in place of taking them. */
  refuse(stage: SmtpStage, code: number, text: string, times: number): void
  /** Cuts the next so many connections at this stage, without a word. */
  cut(stage: SmtpStage, times: number): void
  /** Says nothing any more at this stage. */
  stall(stage: SmtpStage): void
}

type Fault = { readonly stage: SmtpStage; times: number } & (
  | { readonly kind: 'refuse'; readonly code: number; readonly text: string }
  | { readonly kind: 'cut' | 'stall' }
)

export async function startThrowawaySmtp(options: ThrowawaySmtpOptions = {}): Promise<ThrowawaySmtp> {
  const { certificate, login, implicitTls = false, refusedRecipient } = options
  const received: ReceivedEmail[] = []
  const faults: Fault[] = []
  let connections = 0

  /** Calls back, unless a fault is due. */
  const pass = (stage: SmtpStage, callback: (error?: Error | null) => void): void => {
    const fault = faults.find((candidate) => candidate.stage === stage && candidate.times > 0)
    if (fault === undefined) {
      callback()
      return
    }
    fault.times--
    if (fault.kind === 'refuse') callback(Object.assign(new Error(fault.text), { responseCode: fault.code }))
    if (fault.kind === 'cut') for (const connection of server.connections) connection.close()
  }

  const server = new SMTPServer({
    secure: implicitTls,
    ...(certificate === undefined ? {} : { key: certificate.key, cert: certificate.certificate }),
    disabledCommands: [...(certificate === undefined ? ['STARTTLS'] : []), ...(login === undefined ? ['AUTH'] : [])],
    allowInsecureAuth: true,
    authOptional: login === undefined,
    logger: false,
    closeTimeout: 100,
    onConnect(_session, callback) {
      connections++
      pass('connect', callback)
    },
    onAuth({ username, password }, _session, callback) {
      if (username === login?.user && password === login?.password) return callback(null, { user: username })
      callback(Object.assign(new Error(`5.7.8 who is ${username}?`), { responseCode: 535 }))
    },
    onMailFrom: (_address, _session, callback) => pass('from', callback),
    onRcptTo({ address }, _session, callback) {
      callback(address === refusedRecipient ? Object.assign(new Error('5.1.1 no such mailbox'), { responseCode: 550 }) : null)
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () =>
        pass('data', (error) => {
          if (error) return callback(error)
          const { mailFrom, rcptTo } = session.envelope
          received.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            raw: Buffer.concat(chunks).toString('utf8'),
            secure: session.secure,
            user: typeof session.user === 'string' ? session.user : undefined,
          })
          callback(null, '2.0.0 taken')
        }),
      )
    },
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    received,
    get connections() {
      return connections
    },
    refuse: (stage, code, text, times) => void faults.push({ kind: 'refuse', stage, code, text, times }),
    cut: (stage, times) => void faults.push({ kind: 'cut', stage, times }),
    stall: (stage) => void faults.push({ kind: 'stall', stage, times: Number.POSITIVE_INFINITY }),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(resolve)),
  }
}
