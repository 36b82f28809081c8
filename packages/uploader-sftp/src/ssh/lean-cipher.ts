import { createSecretKey, type KeyObject, randomFillSync } from 'node:crypto'
import type { Client } from 'ssh2'

/** What ssh2 encrypts and decrypts with where its own native module is not built; private to it, and looked at before it is touched. */
interface Protocol {
  readonly _cipher?: {
    _encKey?: Buffer | KeyObject
    _onWrite?: (bytes: Buffer) => void
    allocPacket?: (payloadBytes: number) => Buffer
  }
  readonly _decipher?: { _decipherKey?: Buffer | KeyObject }
}

/** RFC 5647, 7.2: packets are filled up to blocks of AES, with four bytes at least (RFC 4253, 6). */
const blockBytes = 16
const leastPaddingBytes = 4

/**
 * Spares AES-GCM half of its time: Node takes a key apart anew for every cipher unless it is a KeyObject, and ssh2 makes a cipher and
 * memory for every packet and asks the system for random padding each time. The bytes on the wire are of the same kind. Called again after
 * each exchange of keys.
 */
export function leanCipher(client: Client): void {
  const { _cipher: cipher, _decipher: decipher } = (client as unknown as { readonly _protocol?: Protocol })._protocol ?? {}
  const write = cipher?._onWrite
  if (cipher?.constructor.name === 'AESGCMCipherNative' && Buffer.isBuffer(cipher._encKey) && write !== undefined) {
    const packets = packetRoom()
    cipher._encKey = createSecretKey(cipher._encKey)
    cipher.allocPacket = packets.take
    // Of a packet itself only its length is written, which is not encrypted.
    cipher._onWrite = (bytes) => write(packets.holds(bytes) ? Buffer.from(bytes) : bytes)
  }
  if (decipher?.constructor.name === 'AESGCMDecipherNative' && Buffer.isBuffer(decipher._decipherKey)) {
    decipher._decipherKey = createSecretKey(decipher._decipherKey)
  }
}

interface PacketRoom {
  /** Room for a payload, its length, and random padding that is fetched for many at once. The next packet takes the same. */
  take(payloadBytes: number): Buffer
  holds(bytes: Buffer): boolean
}

/** One packet is encrypted before the next one is made, so that all can be made in one place. */
function packetRoom(): PacketRoom {
  const padding = Buffer.alloc(8192)
  let used = padding.length
  let room = Buffer.allocUnsafeSlow(36 * 1024)
  return {
    take(payloadBytes) {
      const begun = 1 + payloadBytes
      let paddingBytes = blockBytes - (begun % blockBytes)
      if (paddingBytes < leastPaddingBytes) paddingBytes += blockBytes
      const packetBytes = 4 + begun + paddingBytes
      if (packetBytes > room.length) room = Buffer.allocUnsafeSlow(packetBytes)
      const packet = room.subarray(0, packetBytes)
      packet.writeUInt32BE(begun + paddingBytes, 0)
      packet[4] = paddingBytes
      if (used + paddingBytes > padding.length) {
        randomFillSync(padding)
        used = 0
      }
      padding.copy(packet, 4 + begun, used, used + paddingBytes)
      used += paddingBytes
      return packet
    },
    holds: (bytes) => bytes.buffer === room.buffer,
  }
}
