/**
 * JSON whose bytes depend on the value alone: keys sorted by UTF-16 code units, no white space, numbers as JavaScript
 * writes them (RFC 8785). Properties that are `undefined` are left out. Throws a TypeError for what is no JSON value.
 */
export function canonicalJson(value: unknown): string {
  return write(value, new Set())
}

function write(value: unknown, above: Set<object>): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value !== 'object') throw new TypeError(`${typeof value === 'number' ? value : typeof value} is no JSON value`)
  if (above.has(value)) throw new TypeError('a value that contains itself is no JSON value')
  above.add(value)
  const text = Array.isArray(value) ? writeArray(value, above) : writeObject(value, above)
  above.delete(value)
  return text
}

function writeArray(values: readonly unknown[], above: Set<object>): string {
  return `[${values.map((element) => write(element, above)).join(',')}]`
}

function writeObject(value: object, above: Set<object>): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`${value.constructor.name} is no JSON value`)
  const properties = Object.entries(value)
    .filter(([, property]) => property !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${properties.map(([key, property]) => `${JSON.stringify(key)}:${write(property, above)}`).join(',')}}`
}
