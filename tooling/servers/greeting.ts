import { connect } from 'node:net'

/** The first bytes that a server on 127.0.0.1 sends by itself, as those of MySQL and SSH do; `undefined` when there are none within two seconds. */
export function greetingOf(port: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const settle = (greeting?: Buffer) => {
      socket.destroy()
      resolve(greeting)
    }
    socket.once('data', settle)
    socket.once('error', () => settle())
    socket.once('end', () => settle())
    socket.setTimeout(2000, () => settle())
  })
}
