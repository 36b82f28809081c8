import type { BackupError } from '@backup-planet/core'
import { SftpFailure } from '../sftp-errors.ts'
import type { SshConnection } from '../ssh/ssh-connection.ts'
import type { LostDuring } from './requests-at-once.ts'
import { channelClosed } from './sftp-channel.ts'

export type Answer<Value> = (error: (Error & { code?: unknown }) | null | undefined, value?: Value) => void

/** The requests of one channel: so many at once, each rejected when the connection is lost, which ssh2 does not promise. */
export interface SftpRequests {
  /** Sends one request as soon as its turn comes; settles with the answer or with the loss of the connection. */
  ask<Value>(request: string, path: string | undefined, send: (answer: Answer<Value>) => void): Promise<Value>
  /** Whether the next request would have to wait for its turn. */
  isFull(): boolean
  /** Ends everything for this reason, unless it has ended for another one. */
  lose(reason: BackupError): void
  lost(): BackupError | undefined
  lostDuring(): LostDuring | undefined
  onLost(listener: (reason: BackupError) => void): void
}

export interface SftpRequestsSettings {
  readonly connection: SshConnection
  readonly where: string
  /** Under way at most. */
  readonly most: number
  /** Called once, when answers come while others are still awaited. */
  readonly onPipelined: () => void
}

/** What ssh2 says to every request under way when the channel ends, before it says that it has ended. */
const unanswered = 'No response from server'

export function sftpRequests({
  connection,
  where,
  most,
  onPipelined,
}: SftpRequestsSettings): SftpRequests & { readonly pipelined: () => void } {
  const pending = new Set<(reason: BackupError) => void>()
  const waiting: (() => void)[] = []
  const listeners: ((reason: BackupError) => void)[] = []
  let lost: BackupError | undefined
  let lostDuring: LostDuring | undefined
  let running = 0
  let pipelines = false

  const pipelined = (): void => {
    if (pipelines) return
    pipelines = true
    onPipelined()
  }
  const lose = (reason: BackupError): void => {
    if (lost !== undefined) return
    lost = reason
    const brokeOff = running > 1 && !pipelines && reason.code !== 'TIMED_OUT'
    lostDuring = running === 0 ? 'idle' : brokeOff ? 'pipelining' : 'request'
    connection.close()
    for (const reject of [...pending]) reject(reason)
    pending.clear()
    for (const listener of listeners) listener(reason)
  }
  connection.onLost(lose)

  return {
    pipelined,
    lose,
    isFull: () => running >= most,
    lost: () => lost,
    lostDuring: () => lostDuring,
    onLost: (listener) => void (lost === undefined ? listeners.push(listener) : listener(lost)),

    ask<Value>(request: string, path: string | undefined, send: (answer: Answer<Value>) => void): Promise<Value> {
      return new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost)
        const finish = (): void => {
          pending.delete(reject)
          running--
          waiting.shift()?.()
        }
        pending.add(reject)
        const start = (): void => {
          if (lost !== undefined) return
          running++
          const isSecond = running > 1
          send((error, value) => {
            // Of every request under way, so that the loss is known before the first of them hears of it.
            if (isUnanswered(error)) lose(connection.lost() ?? channelClosed(where))
            if (lost === undefined && isSecond) pipelined()
            finish()
            if (error === undefined || error === null) resolve(value as Value)
            else reject(lost ?? answerError(error, request, path))
          })
        }
        if (running < most) start()
        else waiting.push(start)
      })
    },
  }
}

function isUnanswered(error: (Error & { code?: unknown }) | null | undefined): boolean {
  return error instanceof Error && typeof error.code !== 'number' && error.message === unanswered
}

function answerError(error: Error & { code?: unknown }, request: string, path: string | undefined): unknown {
  return typeof error.code === 'number' ? new SftpFailure(error.code, error.message, request, path, undefined) : error
}
