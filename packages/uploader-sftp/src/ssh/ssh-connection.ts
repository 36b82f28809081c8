import { connect as connectSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { BackupError } from '@backup-planet/core'
import { discard } from '@backup-planet/core/memory'
import ssh2, { type Client, type ConnectConfig } from 'ssh2'
import { algorithmsWithout, type HostKeyCheck, hostKeyCheck } from '../host-keys/host-key-check.ts'
import { connectError } from '../sftp-errors.ts'
import { leanCipher } from './lean-cipher.ts'
import { loginMethods, offerInTurn } from './login-methods.ts'
import type { SshServer } from './ssh-server.ts'

export interface ConnectTimes {
  readonly connectTimeoutSeconds: number
  readonly keepaliveSeconds: number
}

/** A connection that is logged in, over all jump hosts. */
export interface SshConnection {
  readonly client: Client
  /** Why it has ended, once it has. */
  lost(): BackupError | undefined
  /** Called once, when it ends for whatever reason. */
  onLost(listener: (reason: BackupError) => void): void
  /** Ends it at once, jump hosts included. */
  close(): void
}

/** Requests for a sign of life, one every interval, that may stay unanswered: ssh2 gives up when the next one would be due, after three. */
const silentKeepalives = 2

/** The fastest first where AES is done in hardware; none without authentication of what is encrypted, no SHA-1. */
const ciphers = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
]
const macs = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512']

/** Connects to the last of `servers` through all others, each verified by its host key and logged in to. */
export async function connectSsh(servers: readonly SshServer[], times: ConnectTimes): Promise<SshConnection> {
  const way: SshConnection[] = []
  try {
    for (const server of servers) way.push(await connectVerified(server, times, way.at(-1)))
  } catch (error) {
    for (const connection of way) connection.close()
    throw error
  }
  const last = way.at(-1)
  if (last === undefined) throw new TypeError('there is no server to connect to')
  return {
    ...last,
    close() {
      for (const connection of way.toReversed()) connection.close()
    },
  }
}

/**
 * A server with several host keys shows the one it is asked for first. Where that is not the pinned one it is asked for another kind, as
 * long as it has one.
 */
async function connectVerified(server: SshServer, times: ConnectTimes, through: SshConnection | undefined): Promise<SshConnection> {
  const check = await hostKeyCheck(server.host, server.port, server.trust)
  const methods = await loginMethods(server)
  let algorithms = check.algorithms
  let first: BackupError | undefined
  for (;;) {
    let refused: Buffer | undefined
    const attempt = {
      ...check,
      algorithms,
      onRefused(key: Buffer) {
        refused = key
      },
    }
    try {
      const socket = through === undefined ? openSocket(server) : await forwarded(through, server, times)
      return await logIn(server, times, attempt, methods, socket)
    } catch (error) {
      first ??= connectError(error, placeOf(server), times.connectTimeoutSeconds)
      algorithms = refused === undefined || server.trust.fingerprints.length === 0 ? [] : algorithmsWithout(algorithms, refused)
      if (algorithms.length === 0) throw first
    }
  }
}

interface VerifiedAttempt extends HostKeyCheck {
  readonly onRefused: (key: Buffer) => void
}

function logIn(
  server: SshServer,
  times: ConnectTimes,
  check: VerifiedAttempt,
  methods: Parameters<typeof offerInTurn>[0],
  socket: Duplex,
): Promise<SshConnection> {
  const client = new ssh2.Client()
  const configuration: ConnectConfig = {
    sock: socket,
    username: server.user,
    readyTimeout: times.connectTimeoutSeconds * 1000,
    keepaliveInterval: times.keepaliveSeconds * 1000,
    keepaliveCountMax: silentKeepalives,
    algorithms: { cipher: ciphers, hmac: macs, serverHostKey: [...check.algorithms] } as NonNullable<ConnectConfig['algorithms']>,
    authHandler: offerInTurn(methods),
  }
  return new Promise((resolve, reject) => {
    let reason: BackupError | undefined
    let refusal: BackupError | undefined
    let agentFailure: Error | undefined
    let ready = false
    const listeners: ((reason: BackupError) => void)[] = []
    const fail = (error: unknown): void => {
      const named = refusal ?? connectError(withAgent(withLevel(error), server, agentFailure), placeOf(server), times.connectTimeoutSeconds)
      socket.destroy()
      if (!ready) reject(named)
      if (reason !== undefined) return
      reason = ready ? lostConnection(server, named) : named
      for (const listener of listeners) listener(reason)
    }
    client.on('error', (error: Error & { level?: string }) => {
      // An agent that does not answer is not the last thing to be tried.
      if (error.level === 'agent') agentFailure = error
      else fail(error)
    })
    client.on('close', () => fail(Object.assign(new Error('the server has ended the connection'), { level: 'client-socket' })))
    client.on('handshake', () => leanCipher(client))
    client.on('ready', () => {
      ready = true
      resolve({
        client,
        lost: () => reason,
        onLost: (listener) => void (reason === undefined ? listeners.push(listener) : listener(reason)),
        close: () => socket.destroy(),
      })
    })
    client.connect({
      ...configuration,
      hostVerifier: (key: Buffer) => {
        refusal = check.refuse(key)
        if (refusal !== undefined) check.onRefused(key)
        return refusal === undefined
      },
    } as ConnectConfig)
  })
}

/** What a server says when it ends a connection in order has a number only: RFC 4253, 11.1. */
function withLevel(error: unknown): unknown {
  const { level, code, message } = error as { level?: unknown; code?: unknown; message?: unknown }
  if (level !== undefined || typeof code !== 'number' || !(error instanceof Error)) return error
  const refused = code === 14 || /authentication failures/i.test(String(message))
  return Object.assign(error, { level: refused ? 'client-authentication' : 'client-socket' })
}

/** Whoever is not let in because the agent with the key does not run is to hear of the agent. */
function withAgent(error: unknown, { agent }: SshServer, agentFailure: Error | undefined): unknown {
  const { level, message } = error as { level?: unknown; message?: unknown }
  if (agentFailure === undefined || level !== 'client-authentication') return error
  return Object.assign(new Error(`${message}, and the agent at ${agent} does not answer: ${agentFailure.message}`), { level })
}

function lostConnection(server: SshServer, cause: BackupError): BackupError {
  const timedOut = cause.code === 'TIMED_OUT'
  return new BackupError(`the connection to ${placeOf(server)} ${timedOut ? 'answers nothing any more' : 'broke'}`, {
    code: timedOut ? 'TIMED_OUT' : 'UNREACHABLE',
    hint: 'Check the network and that the server runs; what was interrupted can be done again and goes on where it stopped.',
    cause,
  })
}

function placeOf({ host, port, user }: SshServer): string {
  return `${user}@${host}:${port}`
}

function openSocket({ host, port }: SshServer): Socket {
  const socket = connectSocket({ host, port, noDelay: true })
  return gathered(socket)
}

/**
 * Lets everything that is written within one turn leave in one call of the system: ssh2 writes a packet in three pieces. What is written
 * belongs to nobody else, and its memory is given back as soon as it has left.
 */
function gathered(socket: Socket): Socket {
  const write = socket.write.bind(socket)
  let corked = false
  const uncork = (): void => {
    corked = false
    socket.uncork()
  }
  const gather = (bytes: Uint8Array): boolean => {
    if (!corked) {
      corked = true
      socket.cork()
      process.nextTick(uncork)
    }
    return bytes.byteLength > Buffer.poolSize ? write(bytes, () => discard(bytes)) : write(bytes)
  }
  socket.write = gather as typeof socket.write
  return socket
}

function forwarded(through: SshConnection, { host, port }: SshServer, times: ConnectTimes): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(Object.assign(new Error('the jump host does not answer'), { level: 'client-timeout' })),
      times.connectTimeoutSeconds * 1000,
    )
    through.onLost(reject)
    through.client.forwardOut('127.0.0.1', 0, host, port, (error, stream) => {
      clearTimeout(timer)
      if (error === undefined || error === null) resolve(stream)
      else reject(error)
    })
  })
}
