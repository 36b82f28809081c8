import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { BackupError } from '@backup-planet/core'
import { type Identity, type Recipient, Stanza } from 'age-encryption'

/**
 * Passphrases as the age specification (C2SP, section "The scrypt recipient type") wants them, with the scrypt of OpenSSL on a
 * thread of its own: the portable one of the age library stands still for a second a file.
 */
const label = 'age-encryption.org/v1/scrypt'
const usualWorkFactor = 18
/** What the age library accepts too; more would let a hostile file ask for more than 1 GiB of memory. */
const highestWorkFactor = 20
const sealedKeyBytes = 32

export function passphraseRecipient(passphrase: string, workFactor: number = usualWorkFactor): Recipient {
  return {
    async wrapFileKey(fileKey) {
      const salt = randomBytes(16)
      const key = await deriveKey(passphrase, salt, workFactor)
      const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 })
      const sealed = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
      return [new Stanza(['scrypt', unpaddedBase64(salt), String(workFactor)], new Uint8Array(sealed))]
    },
  }
}

export function passphraseIdentity(passphrase: string): Identity {
  return {
    async unwrapFileKey(stanzas) {
      const stanza = stanzas.find((candidate) => candidate.args[0] === 'scrypt')
      if (stanza === undefined) return null
      const [, saltText, workFactorText] = stanza.args
      const salt = Buffer.from(saltText ?? '', 'base64')
      const wellFormed = stanzas.length === 1 && stanza.args.length === 3 && salt.length === 16 && unpaddedBase64(salt) === saltText
      if (!wellFormed || stanza.body.length !== sealedKeyBytes || !/^[1-9]\d?$/.test(workFactorText ?? '')) {
        throw damagedHeader('its passphrase stanza is malformed')
      }
      const workFactor = Number(workFactorText)
      if (workFactor > highestWorkFactor) throw damagedHeader(`its work factor ${workFactor} is above ${highestWorkFactor}`)
      const key = await deriveKey(passphrase, salt, workFactor)
      const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 })
      decipher.setAuthTag(stanza.body.subarray(16))
      try {
        return new Uint8Array(Buffer.concat([decipher.update(stanza.body.subarray(0, 16)), decipher.final()]))
      } catch {
        return null
      }
    },
  }
}

export function damagedHeader(reason: string): BackupError {
  return new BackupError(`encrypted object is damaged: ${reason}`, {
    code: 'CORRUPTED',
    hint: 'Run verify with readData to learn what else is damaged, and restore from another backup.',
  })
}

function deriveKey(passphrase: string, salt: Uint8Array, workFactor: number): Promise<Buffer> {
  const cost = 2 ** workFactor
  const limits = { N: cost, r: 8, p: 1, maxmem: 128 * 8 * cost + 2 ** 24 }
  return new Promise((resolve, reject) => {
    scrypt(Buffer.from(passphrase, 'utf8'), Buffer.concat([Buffer.from(label), salt]), 32, limits, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}

function unpaddedBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
