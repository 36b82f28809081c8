import type { Agent, Position, PositionOrder } from '../contracts/index.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'

/** Knows nothing but whether two positions are the same: enough where every backup begins exactly where another ended. */
export const equalPositions: PositionOrder = (a, b) => (positionKey(a) === positionKey(b) ? 0 : undefined)

/** The agent's own order, or equality where it has none. */
export function orderOf(agent: Pick<Agent, 'comparePositions'>): PositionOrder {
  return agent.comparePositions ?? equalPositions
}

/** The same text for the same chain and fields only: their canonical JSON, written here where it is asked for a hundred thousand of them. */
export function positionKey({ chain, value }: Position): string {
  const fields: string[] = []
  for (const name of Object.keys(value).sort()) {
    const field: unknown = value[name]
    if (typeof field !== 'string') return canonicalJson({ chain, value })
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(field)}`)
  }
  return `{"chain":${JSON.stringify(chain)},"value":{${fields.join(',')}}}`
}

/** As an operator reads it: the fields, without the chain. */
export function describePosition({ value }: Position): string {
  return Object.entries(value)
    .filter(([, text]) => text !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${name} ${text}`)
    .join(', ')
}
