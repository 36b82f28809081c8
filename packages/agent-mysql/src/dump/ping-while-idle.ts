import type { Connection } from 'mysql2/promise'

/**
 * Lets a server hear of a session that it ends after `idleSeconds` of silence, often enough that two pings may be late; until the connection ends. A ping
 * waits its turn behind the running statement, so there is never more than one. Used by reading threads too, which load nothing but the driver.
 */
export function pingWhileIdle(driver: Connection, idleSeconds: number): void {
  let waiting = false
  const timer = setInterval(
    () => {
      if (waiting) return
      waiting = true
      // That it failed is told by the connection itself.
      const answered = (): void => {
        waiting = false
      }
      driver.ping().then(answered, answered)
    },
    Math.min(10_000, (idleSeconds * 1000) / 3),
  )
  timer.unref()
  driver.on('end', () => clearInterval(timer))
  driver.on('error', () => clearInterval(timer))
}
