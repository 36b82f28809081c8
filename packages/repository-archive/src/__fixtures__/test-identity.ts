import { generateX25519Identity, identityToRecipient } from 'age-encryption'

/** A key pair of this run of the tests: nobody encrypts anything else with it. */
export const testIdentity = await generateX25519Identity()
export const testRecipient = await identityToRecipient(testIdentity)
