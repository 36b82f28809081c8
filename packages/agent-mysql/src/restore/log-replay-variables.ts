import { eventType } from '../binlog/binlog-event-type.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { refusedFor } from './log-replay-way.ts'

/** Collation by its number, with its character set. */
export type CollationNames = ReadonlyMap<number, { readonly characterSet: string; readonly collation: string }>

/**
 * What an event before a statement sets for it: its automatic numbers, seeds of RAND, or a user variable. Sources: MySQL "Intvar_event", "Rand_event",
 * "User_var_event". Throws `UNSUPPORTED` for a value that cannot be written exactly.
 */
export function variableStatement(event: ReplayEvent, collations: CollationNames, name: string): string {
  const { type, body } = event
  if (type === eventType.INTVAR && body.length >= 9)
    return `SET ${body[0] === 1 ? 'LAST_INSERT_ID' : 'INSERT_ID'}=${body.readBigUInt64LE(1)}`
  if (type === eventType.RAND && body.length >= 16) {
    return `SET @@session.rand_seed1=${body.readBigUInt64LE(0)}, @@session.rand_seed2=${body.readBigUInt64LE(8)}`
  }
  const text = type === eventType.USER_VAR ? userVariable(body, collations) : undefined
  if (text !== undefined) return text
  throw refusedFor('tools', `binlog ${name} at offset ${event.begin}: a variable that a statement uses cannot be set exactly`)
}

function userVariable(body: Buffer, collations: CollationNames): string | undefined {
  const nameBytes = body.length < 5 ? body.length : body.readUInt32LE(0)
  const at = 4 + nameBytes
  if (at >= body.length) return undefined
  const variable = `SET @\`${body.toString('latin1', 4, at).replaceAll('`', '``')}\`=`
  if (body[at] !== 0) return `${variable}NULL`
  if (body.length < at + 10) return undefined
  const value = body.subarray(at + 10, at + 10 + body.readUInt32LE(at + 6))
  const isUnsigned = ((body[at + 10 + value.length] ?? 0) & 1) === 1
  switch (body[at + 1]) {
    case 0: {
      const names = collations.get(body.readUInt32LE(at + 2))
      if (names === undefined) return undefined
      return `${variable}_${names.characterSet} X'${value.toString('hex')}' COLLATE ${names.collation}`
    }
    case 1:
      return value.length === 8 ? `${variable}${value.readDoubleLE(0)}e0`.replace(/(e[+-]?\d+)e0$/, '$1') : undefined
    case 2:
      return value.length === 8 ? `${variable}${isUnsigned ? value.readBigUInt64LE(0) : value.readBigInt64LE(0)}` : undefined
    case 4:
      return decimalText(value, (digits) => `${variable}${digits}`)
    default:
      return undefined
  }
}

const digitBytes: readonly number[] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

/** Precision, scale, then groups of nine digits with the sign in the first bit. Source: MySQL `decimal2bin`. */
function decimalText(value: Buffer, use: (digits: string) => string): string | undefined {
  const precision = value[0] ?? 0
  const scale = value[1] ?? 0
  const bytes = Buffer.from(value.subarray(2))
  const first = bytes[0]
  if (first === undefined || scale > precision) return undefined
  const isNegative = (first & 0x80) === 0
  bytes[0] = first ^ 0x80
  if (isNegative) for (const [index, byte] of bytes.entries()) bytes[index] = byte ^ 0xff
  let at = 0
  const read = (digits: number): string | undefined => {
    const length = digitBytes[digits] ?? 0
    if (at + length > bytes.length) return undefined
    const number = length === 0 ? 0 : bytes.readUIntBE(at, length)
    at += length
    return String(number).padStart(digits, '0')
  }
  const whole = precision - scale
  const groups = [whole % 9, ...Array.from({ length: Math.floor(whole / 9) }, () => 9)].filter((digits) => digits > 0)
  const fraction = [...Array.from({ length: Math.floor(scale / 9) }, () => 9), scale % 9].filter((digits) => digits > 0)
  const before = groups.map(read)
  const after = fraction.map(read)
  if (before.includes(undefined) || after.includes(undefined)) return undefined
  return use(`${isNegative ? '-' : ''}${before.join('') || '0'}${scale > 0 ? `.${after.join('')}` : ''}`)
}
