/** MySQL's "Library: Serialization", the writing side: as many trailing one-bits as bytes follow the first, then a zero, then the value. */
export function serializedUnsigned(value: bigint): Buffer {
  for (let bytes = 1; bytes <= 8; bytes++) {
    if (value >= 1n << BigInt(7 * bytes)) continue
    const packed = Buffer.alloc(8)
    packed.writeBigUInt64LE((value << BigInt(bytes)) | ((1n << BigInt(bytes - 1)) - 1n))
    return packed.subarray(0, bytes)
  }
  const packed = Buffer.alloc(9, 0xff)
  packed.writeBigUInt64LE(value, 1)
  return packed
}

export function serializedSigned(value: bigint): Buffer {
  return serializedUnsigned(value < 0n ? ((-value - 1n) << 1n) | 1n : value << 1n)
}

export interface TaggedGtidFields {
  readonly uuid: string
  readonly number: bigint
  readonly tag: string
  readonly committedAt: bigint
}

/** Body of a GTID_TAGGED event. */
export function taggedGtidBody({ uuid, number, tag, committedAt }: TaggedGtidFields): Buffer {
  const octets = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  const values: readonly Buffer[] = [
    serializedUnsigned(1n),
    Buffer.concat([...octets].map((octet) => serializedUnsigned(BigInt(octet)))),
    serializedSigned(number),
    Buffer.concat([serializedUnsigned(BigInt(tag.length)), Buffer.from(tag)]),
    serializedSigned(0n),
    serializedSigned(1n),
    serializedUnsigned(committedAt),
    // 7, the original time, is left out where it is the same; 8 is the length of the transaction.
  ]
  const fields = Buffer.concat([
    ...values.flatMap((value, id) => [serializedUnsigned(BigInt(id)), value]),
    serializedUnsigned(8n),
    serializedUnsigned(300n),
  ])
  return Buffer.concat([serializedUnsigned(1n), serializedUnsigned(BigInt(fields.length)), serializedUnsigned(8n), fields])
}
