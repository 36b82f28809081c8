import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkHeader, chunkLengths, endChunk, payloadChunk, sparseChunk } from './__fixtures__/stream-chunks.ts'
import { BackupStreamReader, checkedStream, type StreamFacts } from './backup-stream.ts'

const whole = Buffer.concat([
  payloadChunk('ibdata1', Buffer.from('first')),
  payloadChunk('./shop/t.ibd', Buffer.from('rows')),
  payloadChunk('ibdata1', Buffer.from('second'), 5),
  endChunk('ibdata1'),
  endChunk('./shop/t.ibd'),
  endChunk('shop/empty.frm'),
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
    const ignored = Buffer.concat([chunkHeader('Z', 'note', 1), chunkLengths(content, 0), content])
    expect(
      read(
        Buffer.concat([
          ignored,
          sparseChunk('t.ibd', content, [
            [0, 2],
            [4096, 2],
          ]),
          endChunk('t.ibd'),
        ]),
      ),
    ).toEqual({ files: 1, payloadBytes: 8 })
  })

  it('is corrupted wherever it is cut, unless every file has its end', () => {
    for (let length = 0; length < whole.length; length++) {
      const cut = () => read(whole.subarray(0, length))
      const complete = length === whole.length - endChunk('shop/empty.frm').length
      if (complete) expect(cut()).toMatchObject({ files: 2 })
      else expect(cut, `cut after ${length} bytes`).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    }
  })

  it('is refused when a bit of what it holds is flipped', () => {
    const [first, ...others] = ['ibdata1', './shop/t.ibd', 'shop/empty.frm']
    const bytes = Buffer.concat([payloadChunk(first ?? '', Buffer.from('content')), endChunk(first ?? ''), ...others.map(endChunk)])
    const from = chunkHeader('P', first ?? '').length + 16
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
    expect(() => read(Buffer.concat([payloadChunk(path, Buffer.from('x')), endChunk(path)]))).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })

  it('may not hold chunks of an unknown type, names or maps of absurd size, or nothing', () => {
    expect(() => read(chunkHeader('Z', 'x'))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
    expect(() => read(chunkHeader('P', 'x'.repeat(512)))).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    expect(() => read(Buffer.concat([chunkHeader('S', 'x'), Buffer.from('ffffff7f', 'hex')]))).toThrow(
      expect.objectContaining({ code: 'CORRUPTED' }),
    )
    expect(() => read(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  it('passes nothing on that names a place outside', async () => {
    const passed: Uint8Array[] = []
    async function* source(): AsyncGenerator<Uint8Array> {
      yield payloadChunk('ibdata1', Buffer.from('fine'))
      yield payloadChunk('../outside', Buffer.from('not fine'))
    }
    const reading = async (): Promise<void> => {
      for await (const chunk of checkedStream(source(), new BackupStreamReader('the stream'))) passed.push(chunk)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(passed).toEqual([payloadChunk('ibdata1', Buffer.from('fine'))])
  })
})
