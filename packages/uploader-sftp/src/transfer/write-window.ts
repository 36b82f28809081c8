import { abortError } from '@backup-planet/core'
import type { SftpSession } from '../session/sftp-session.ts'

export interface WriteWindow {
  /** Bytes are copied before it resolves, which it does as soon as there is room for more. Rejects with the first failed request. */
  write(chunk: Uint8Array): Promise<void>
  /** Resolves when the server has taken everything. */
  flush(): Promise<void>
  /** To be called at the end, whatever it is. */
  close(): void
}

export interface WriteWindowRequest {
  readonly begin: number
  readonly windowBytes: number
  readonly what: string
  readonly signal: AbortSignal | undefined
}

/**
 * Sends bytes to a file in requests as large as the server takes, from `begin` on, without waiting for each answer: at most
 * `windowBytes` are under way. Small chunks are put together. An abort ends every wait at once. After a kill the file may have holes in its last `windowBytes`, and nowhere else.
 */
export function writeWindow(session: SftpSession, handle: Buffer, { begin, windowBytes, what, signal }: WriteWindowRequest): WriteWindow {
  const block = Buffer.allocUnsafeSlow(Math.max(1, Math.min(session.writeBytes, windowBytes)))
  let filled = 0
  let position = begin
  let underWay = 0
  let failure: { readonly error: unknown } | undefined
  let wake: (() => void) | undefined
  const onAbort = (): void => {
    failure ??= { error: abortError(signal as AbortSignal, what) }
    wake?.()
  }
  signal?.addEventListener('abort', onAbort, { once: true })

  function send(bytes: Buffer): void {
    const size = bytes.length
    underWay += size
    const settled = (): void => {
      underWay -= size
      wake?.()
    }
    session.write(handle, bytes, position).then(settled, (error: unknown) => {
      failure ??= { error }
      settled()
    })
    position += size
  }

  /** Waits until no more than `bytes` are under way. */
  async function downTo(bytes: number): Promise<void> {
    while (underWay > bytes && failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      wake = undefined
    }
    if (failure !== undefined) throw failure.error
  }

  async function sendBlock(bytes: Buffer): Promise<void> {
    if (underWay + bytes.length > windowBytes) await downTo(windowBytes - bytes.length)
    else if (failure !== undefined) throw failure.error
    send(bytes)
  }

  return {
    async write(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      let offset = 0
      while (offset < bytes.length) {
        if (filled === 0 && bytes.length - offset >= block.length) {
          await sendBlock(bytes.subarray(offset, offset + block.length))
          offset += block.length
          continue
        }
        const taken = bytes.copy(block, filled, offset, offset + block.length - filled)
        filled += taken
        offset += taken
        if (filled === block.length) {
          await sendBlock(block)
          filled = 0
        }
      }
    },
    async flush() {
      if (filled > 0) await sendBlock(block.subarray(0, filled))
      filled = 0
      await downTo(0)
    },
    close: () => signal?.removeEventListener('abort', onAbort),
  }
}
