import { connect, type Socket } from 'node:net'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'

/** Bytes as they came, and what is to be called when nobody needs them any more: then their memory is used again. */
export type OnReceived = (bytes: Buffer, headroom: number, release: () => void) => void

const bufferBytes = 512 * 1024
/** Before received bytes there is so much room, for what was left of the bytes before them. */
export const headroom = 64
/** One is being filled, the others are read or wait. */
const buffers = 8

/**
 * A socket that receives into memory of its own, which is used over and over: a fresh buffer of 64 KiB for every read costs several times the reading
 * itself. Until somebody takes it over it behaves like any other one. Where there is TLS, the bytes come by the stream as usual.
 */
export class ReceiveBuffers {
  readonly #free = Array.from({ length: buffers - 1 }, () => Buffer.allocUnsafeSlow(bufferBytes + headroom))
  #filled = Buffer.allocUnsafeSlow(bufferBytes + headroom)
  #socket: Socket | undefined
  #onReceived: OnReceived | undefined
  #paused = false

  /** The socket for a session of the driver. */
  readonly open = ({ host, port, socketPath }: MysqlConnectionSettings): Socket => {
    const onread = { buffer: () => this.#filled.subarray(headroom), callback: (bytes: number) => this.#receive(bytes) }
    this.#socket =
      socketPath === undefined
        ? connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, onread })
        : connect({ path: socketPath, onread })
    return this.#socket
  }

  /** From now on bytes are handed over instead of being told to the listeners of the socket. */
  takeOver(onReceived: OnReceived): void {
    this.#onReceived = onReceived
  }

  #receive(length: number): boolean {
    const buffer = this.#filled
    const bytes = buffer.subarray(headroom, headroom + length)
    if (this.#onReceived === undefined) {
      this.#socket?.emit('data', Buffer.from(bytes))
      return true
    }
    // There always is one: reading stops with the last one, and goes on with the first that comes back.
    this.#filled = this.#free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes + headroom)
    this.#onReceived(bytes, headroom, () => this.#release(buffer))
    this.#paused = this.#free.length === 0
    return !this.#paused
  }

  #release(buffer: Buffer<ArrayBuffer>): void {
    this.#free.push(buffer)
    if (!this.#paused) return
    this.#paused = false
    this.#socket?.resume()
  }
}
