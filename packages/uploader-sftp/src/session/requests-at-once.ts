/** What was under way when a connection ended: `pipelining` are the first requests that were sent without waiting for answers. */
export type LostDuring = 'idle' | 'pipelining' | 'request'

/** How many requests are sent to a server without waiting for answers, as its connections have shown. */
export interface RequestsAtOnce {
  /** For the next connection. */
  allowed(): number
  /** The server has answered while it had more to answer. */
  proven(): void
  /** No connection came about: then it is the network that breaks them, or the server that ends. */
  unreachable(): void
  /** A connection was opened; call what this gives when it has ended. */
  opened(): (during: LostDuring) => void
}

/** So many connections in a row must end with their first requests under way at once before the server is taken for the reason. */
export const breaksThatTell = 2

/**
 * Some servers take one request after the other, and end the connection with the second one. A network that breaks at that moment looks the
 * same. So one such end tells nothing, two in a row tell, and only as long as the server can be reached and does not end connections with
 * one request as well. A server that has answered several at once is never taken for one.
 */
export function requestsAtOnce(most: number): RequestsAtOnce {
  let breaks = 0
  let isProven = false
  return {
    allowed: () => (isProven || breaks < breaksThatTell ? most : 1),
    proven() {
      isProven = true
    },
    unreachable() {
      breaks = 0
    },
    opened() {
      const before = breaks
      return (during) => {
        if (during === 'idle') return
        if (during === 'request') breaks = 0
        // Of connections that were open at once the first one counts.
        else if (breaks === before) breaks++
      }
    },
  }
}
