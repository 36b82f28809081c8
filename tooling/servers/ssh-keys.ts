import { processOutput } from './process-output.ts'

/** Makes a private key in the format of OpenSSH at `path`, and the public one beside it. */
export async function generateSshKey(kind: string, path: string, passphrase: string): Promise<void> {
  await processOutput('ssh-keygen', ['-q', '-t', kind, '-N', passphrase, '-C', 'throwaway', '-f', path])
}

/** `SHA256:…` of a public key in a file. */
export async function sshFingerprint(publicKeyFile: string): Promise<string> {
  const line = (await processOutput('ssh-keygen', ['-l', '-E', 'sha256', '-f', publicKeyFile])).toString()
  return line.split(' ')[1] ?? ''
}
