// AssemblyScript, compiled to ../gear-chunker-wasm.ts by ../__fixtures__/compile-gear-chunker.ts. What a boundary is says ../chunker.ts.
// An instance holds the state of one stream in its globals and writes nothing to the memory, which it shares with others.

@external("env", "keys") declare const keys: usize
@external("env", "minimum") declare const minimum: usize
@external("env", "maximum") declare const maximum: usize
@external("env", "boundaryBelow") declare const boundaryBelow: u64

/** Bytes that a hash depends on: every further one has been shifted out of its 64 bits. */
const windowBytes: usize = 64

let chunk: usize = 0
let next: usize = 0
let hash: u64 = 0

export function begin(address: usize): void {
  chunk = address
  next = address + minimum - windowBytes
  hash = 0
}

export function movedTo(address: usize): void {
  next += address - chunk
  chunk = address
}

/** The address behind the chunk's last byte; 0 when the bytes before `end` hold no boundary. */
export function scan(end: usize): usize {
  const table = keys
  const below = boundaryBelow
  const longest = chunk + maximum
  const stop = min(end, longest)
  let at = next
  let rolled = hash

  // The window fills up; the first byte that may be the last of a chunk is the one that makes it `minimum` long.
  for (const filled = min(stop, chunk + minimum - 1); at < filled; at++) rolled = roll(rolled, table, at)

  for (; at + 8 <= stop; at += 8) {
    rolled = roll(rolled, table, at)
    if (rolled < below) return at + 1
    rolled = roll(rolled, table, at + 1)
    if (rolled < below) return at + 2
    rolled = roll(rolled, table, at + 2)
    if (rolled < below) return at + 3
    rolled = roll(rolled, table, at + 3)
    if (rolled < below) return at + 4
    rolled = roll(rolled, table, at + 4)
    if (rolled < below) return at + 5
    rolled = roll(rolled, table, at + 5)
    if (rolled < below) return at + 6
    rolled = roll(rolled, table, at + 6)
    if (rolled < below) return at + 7
    rolled = roll(rolled, table, at + 7)
    if (rolled < below) return at + 8
  }
  for (; at < stop; at++) {
    rolled = roll(rolled, table, at)
    if (rolled < below) return at + 1
  }
  next = at
  hash = rolled
  return at == longest ? longest : 0
}

@inline
function roll(rolled: u64, table: usize, at: usize): u64 {
  return (rolled << 1) + load<u64>(table + (<usize>load<u8>(at) << 3))
}
