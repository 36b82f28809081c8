/**
 * JSON whose bytes depend on the value alone: keys sorted by UTF-16 code units, no white space, numbers as JavaScript
 * writes them (RFC 8785). Properties that are `undefined` are left out. Throws a TypeError for what is no JSON value.
 */
export function canonicalJson(value: unknown): string {
  const text = new PiecedText()
  write(value, new Set(), text)
  return text.toString()
}

function write(value: unknown, above: Set<object>, text: PiecedText): void {
  if (isScalar(value)) {
    text.add(JSON.stringify(value))
    return
  }
  if (typeof value !== 'object') throw new TypeError(`${typeof value === 'number' ? value : typeof value} is no JSON value`)
  if (above.has(value)) throw new TypeError('a value that contains itself is no JSON value')
  above.add(value)
  if (Array.isArray(value)) writeArray(value, above, text)
  else writeObject(value, above, text)
  above.delete(value)
}

function isScalar(value: unknown): value is null | boolean | string | number {
  return value === null || typeof value === 'boolean' || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))
}

function writeArray(values: readonly unknown[], above: Set<object>, text: PiecedText): void {
  text.add('[')
  for (const [at, element] of values.entries()) {
    if (at > 0) text.add(',')
    write(element, above, text)
  }
  text.add(']')
}

function writeObject(value: object, above: Set<object>, text: PiecedText): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`${value.constructor.name} is no JSON value`)
  const properties = Object.entries(value)
    .filter(([, property]) => property !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  text.add('{')
  for (const [at, [key, property]] of properties.entries()) {
    text.add(`${at > 0 ? ',' : ''}${JSON.stringify(key)}:`)
    write(property, above, text)
  }
  text.add('}')
}

const mostPieces = 10_000

/** Text of which there is never much more than one copy while it grows: a manifest can have a hundred megabytes. */
class PiecedText {
  readonly #joined: string[] = []
  #pieces: string[] = []

  add(piece: string): void {
    this.#pieces.push(piece)
    if (this.#pieces.length >= mostPieces) this.#join()
  }

  toString(): string {
    this.#join()
    return this.#joined.join('')
  }

  #join(): void {
    this.#joined.push(this.#pieces.join(''))
    this.#pieces = []
  }
}
