import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { unpacked } from './log-replay-packed.ts'

function packed(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([Buffer.from([0x84]), length, deflateSync(bytes)])
}

it('unpacks what was packed, and says so when that cannot be', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      expect(unpacked(packed(bytes), { begin: 4 })).toEqual(Buffer.from(bytes))
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), (bytes, cut) => {
      const whole = packed(bytes)
      expect(() => unpacked(whole.subarray(0, cut % whole.length), { begin: 4 })).toThrow(/offset 4 .* cannot be unpacked/)
    }),
  )
})

it('takes no more memory than was announced', () => {
  const bomb = packed(new Uint8Array(10_000_000))
  bomb.writeUInt32BE(100, 1)
  expect(() => unpacked(bomb, { begin: 4 })).toThrow(/cannot be unpacked/)
})
