import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BackupStreamReader, checkedStream, type StreamFacts } from './backup-stream.ts'

function header(type: string, path: string, flags = 0): Buffer {
  const name = Buffer.from(path, 'latin1')
  const bytes = Buffer.alloc(14)
  bytes.write('XBSTCK01', 'latin1')
  bytes.writeUInt8(flags, 8)
  bytes.write(type, 9, 'latin1')
  bytes.writeUInt32LE(name.length, 10)
  return Buffer.concat([bytes, name])
}

function lengths(content: Uint8Array, offset: number, checksum = crc32(content)): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.writeBigUInt64LE(BigInt(content.length), 0)
  bytes.writeBigUInt64LE(BigInt(offset), 8)
  bytes.writeUInt32LE(checksum, 16)
  return bytes
}

function payload(path: string, content: Uint8Array, offset = 0, checksum?: number): Buffer {
  return Buffer.concat([header('P', path), lengths(content, offset, checksum), content])
}

function sparse(path: string, content: Uint8Array, map: readonly (readonly [skip: number, length: number])[]): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(map.length)
  const entries = Buffer.alloc(map.length * 8)
  for (const [index, [skip, length]] of map.entries()) {
    entries.writeUInt32LE(skip, index * 8)
    entries.writeUInt32LE(length, index * 8 + 4)
  }
  return Buffer.concat([header('S', path), size, lengths(content, 0, crc32(content, crc32(entries))), entries, content])
}

const end = (path: string): Buffer => header('E', path)
const whole = Buffer.concat([
  payload('ibdata1', Buffer.from('first')),
  payload('./shop/t.ibd', Buffer.from('rows')),
  payload('ibdata1', Buffer.from('second'), 5),
  end('ibdata1'),
  end('./shop/t.ibd'),
  end('shop/empty.frm'),
])

/** What is seen when the bytes come in pieces of these sizes. */
function read(bytes: Buffer, pieces: readonly number[] = []): StreamFacts {
  const reader = new BackupStreamReader('the stream')
  let at = 0
  for (const size of pieces) {
    reader.push(bytes.subarray(at, at + size))
    at += size
  }
  reader.push(bytes.subarray(at))
  reader.end()
  return reader.facts
}

describe('a stream of mbstream or xbstream', () => {
  it('is read whatever the pieces are that it comes in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 60 }), (pieces) => {
        expect(read(whole, pieces)).toEqual({ files: 3, payloadBytes: 15 })
      }),
    )
  })

  it('may hold the maps of xbstream, and chunks that say they may be ignored', () => {
    const content = Buffer.from('data')
    const ignored = Buffer.concat([header('Z', 'note', 1), lengths(content, 0), content])
    expect(
      read(
        Buffer.concat([
          ignored,
          sparse('t.ibd', content, [
            [0, 2],
            [4096, 2],
          ]),
          end('t.ibd'),
        ]),
      ),
    ).toEqual({ files: 1, payloadBytes: 8 })
  })

  it('is corrupted wherever it is cut, unless every file has its end', () => {
    for (let length = 0; length < whole.length; length++) {
      const cut = () => read(whole.subarray(0, length))
      const complete = length === whole.length - end('shop/empty.frm').length
      if (complete) expect(cut()).toMatchObject({ files: 2 })
      else expect(cut, `cut after ${length} bytes`).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    }
  })

  it('is refused when a bit of what it holds is flipped', () => {
    const [first, ...others] = ['ibdata1', './shop/t.ibd', 'shop/empty.frm']
    const bytes = Buffer.concat([payload(first ?? '', Buffer.from('content')), end(first ?? ''), ...others.map(end)])
    const from = header('P', first ?? '').length + 16
    for (let at = from; at < from + 4 + 'content'.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(bytes)
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at)
        expect(() => read(flipped)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
      }
    }
  })

  it('never throws anything but a BackupError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 20 }), (at, noise) => {
        const bytes = Buffer.from(whole)
        bytes.set(noise.subarray(0, bytes.length - at), at)
        try {
          read(bytes)
        } catch (error) {
          expect(error).toMatchObject({ name: 'BackupError' })
        }
      }),
    )
  })

  it.each(['../outside', '/etc/cron.d/x', 'shop/../../x', './../x', 'shop//x', 'shop\\..\\x', 'a\0b', '.'])('may not name %j', (path) => {
    expect(() => read(Buffer.concat([payload(path, Buffer.from('x')), end(path)]))).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })

  it('may not hold chunks of an unknown type, names or maps of absurd size, or nothing', () => {
    expect(() => read(header('Z', 'x'))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
    expect(() => read(header('P', 'x'.repeat(512)))).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    expect(() => read(Buffer.concat([header('S', 'x'), Buffer.from('ffffff7f', 'hex')]))).toThrow(
      expect.objectContaining({ code: 'CORRUPTED' }),
    )
    expect(() => read(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  it('passes nothing on that names a place outside', async () => {
    const passed: Uint8Array[] = []
    async function* source(): AsyncGenerator<Uint8Array> {
      yield payload('ibdata1', Buffer.from('fine'))
      yield payload('../outside', Buffer.from('not fine'))
    }
    const reading = async (): Promise<void> => {
      for await (const chunk of checkedStream(source(), new BackupStreamReader('the stream'))) passed.push(chunk)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(passed).toEqual([payload('ibdata1', Buffer.from('fine'))])
  })
})
