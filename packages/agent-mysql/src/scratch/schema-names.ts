import { createHash, randomBytes } from 'node:crypto'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const longestName = 64

/** What the schemas of one drill begin with. Those that are kept have another beginning, so that nobody takes them for remains. */
export interface SchemaPrefix {
  /** Also the name of the lock that a drill holds while it lives. */
  readonly id: string
  readonly prefix: string
}

export function newSchemaPrefix(keep: boolean): SchemaPrefix {
  const random = [...randomBytes(10)].map((byte) => alphabet.charAt(byte % 32)).join('')
  const id = `${keep ? 'bp_kept' : 'bp_drill'}_${random}`
  return { id, prefix: `${id}_` }
}

/** The drill that a schema is of; `undefined` for every other schema, and for one that is kept. */
export function drillOfSchema(schema: string): SchemaPrefix | undefined {
  const id = /^(bp_drill_[a-z2-7]{10})_/.exec(schema)?.[1]
  return id === undefined ? undefined : { id, prefix: `${id}_` }
}

/** The name that an item gets: cut and with a part of its hash where it would be too long for the server, which counts characters. */
export function scratchSchema({ prefix }: SchemaPrefix, item: string): string {
  const name = [...prefix, ...item]
  if (name.length <= longestName) return name.join('')
  const digest = createHash('sha256').update(item).digest('hex').slice(0, 12)
  return `${name.slice(0, longestName - digest.length - 1).join('')}_${digest}`
}
