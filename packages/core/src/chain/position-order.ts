import type { Agent, Position, PositionOrder } from '../contracts/index.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'

/** Knows nothing but whether two positions are the same: enough where every backup begins exactly where another ended. */
export const equalPositions: PositionOrder = (a, b) => (positionKey(a) === positionKey(b) ? 0 : undefined)

/** The agent's own order, or equality where it has none. */
export function orderOf(agent: Pick<Agent, 'comparePositions'>): PositionOrder {
  return agent.comparePositions ?? equalPositions
}

/** The same text for the same chain and fields only. */
export function positionKey({ chain, value }: Position): string {
  return canonicalJson({ chain, value })
}

/** As an operator reads it: the fields, without the chain. */
export function describePosition({ value }: Position): string {
  return Object.entries(value)
    .filter(([, text]) => text !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${name} ${text}`)
    .join(', ')
}
