import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { BackupError } from '../errors/backup-error.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import type { DrillEvidence, SignedEvidence } from './drill-evidence.ts'
import { assertEvidence } from './evidence-schema.ts'
import { parseEvidence } from './parse-evidence.ts'

/** A new pair of keys as PEM: whoever has the private one makes records, whoever has the public one can check them. */
export function createEvidenceKey(): { readonly privateKey: string; readonly publicKey: string } {
  return generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
}

/** The public half of a private key, both as PEM. Throws `INVALID_SETTINGS` for anything but an Ed25519 private key. */
export function publicKeyOf(privateKey: string): string {
  return createPublicKey(readKey(privateKey, 'private')).export({ type: 'spki', format: 'pem' }).toString()
}

/** The id of a public key, as records name it. Throws `INVALID_SETTINGS`. */
export function evidenceKeyId(publicKey: string): string {
  return keyIdOf(readKey(publicKey, 'public'))
}

/**
 * Signs what `verifyEvidence` takes again, and nothing else. Throws `INVALID_SETTINGS` for anything but an Ed25519 private key as PEM, and `INVALID_INPUT` for
 * evidence that is not as the schema of records says.
 */
export function signEvidence(evidence: DrillEvidence, privateKey: string): SignedEvidence {
  const key = readKey(privateKey, 'private')
  assertEvidence(evidence)
  const value = sign(null, signedBytes(evidence), key).toString('hex')
  return { evidence, signature: { algorithm: 'Ed25519', keyId: keyIdOf(createPublicKey(key)), value } }
}

/**
 * The evidence in a stored record, once it is proven that the holder of the key made it and not one byte has changed. Throws `CORRUPTED` where it was
 * changed, `WRONG_CREDENTIALS` where it was signed with another key, `UNSUPPORTED` for a later format, `INVALID_SETTINGS` for what is no Ed25519 public key.
 *
 * @param stored the whole content of the object
 * @param publicKey PEM
 */
export function verifyEvidence(stored: string | Uint8Array, publicKey: string, where = 'of a drill'): DrillEvidence {
  const key = readKey(publicKey, 'public')
  const { evidence, signature } = parseEvidence(stored, where)
  const keyId = keyIdOf(key)
  if (signature.keyId !== keyId) {
    throw new BackupError(`the record ${where} was signed with the key ${signature.keyId}, and this is ${keyId}`, {
      code: 'WRONG_CREDENTIALS',
      hint: 'Verify it with the public key that belonged to the key of that time.',
    })
  }
  if (verify(null, signedBytes(evidence), key, Buffer.from(signature.value, 'hex'))) return evidence
  throw new BackupError(`the record ${where} was changed after it was signed`, {
    code: 'CORRUPTED',
    hint: 'It proves nothing. Find out who can write to the repository, and make another drill.',
  })
}

function signedBytes(evidence: DrillEvidence): Buffer {
  return Buffer.from(canonicalJson(evidence), 'utf8')
}

function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

function readKey(pem: string, half: 'private' | 'public'): KeyObject {
  const isPrivate = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)
  if (isPrivate === (half === 'private')) {
    try {
      const key = isPrivate ? createPrivateKey(pem) : createPublicKey(pem)
      if (key.asymmetricKeyType === 'ed25519') return key
    } catch {
      // What the library says of it may hold a part of it.
    }
  }
  throw new BackupError(`the ${half} key of drill evidence is no Ed25519 ${half} key in PEM`, {
    code: 'INVALID_SETTINGS',
    hint: 'Make a pair with "backup-planet evidence --new-key FILE", or with "openssl genpkey -algorithm ed25519".',
  })
}
