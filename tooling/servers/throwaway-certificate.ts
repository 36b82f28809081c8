import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What `openssl` made in a directory: an authority of its own, and a certificate for 127.0.0.1 that it signed. */
export interface ThrowawayCertificate {
  readonly authorityFile: string
  readonly certificate: string
  readonly key: string
}

export async function makeCertificate(directory: string, name: string): Promise<ThrowawayCertificate> {
  const file = (suffix: string) => join(directory, `${name}-${suffix}`)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-days', '2', '-subj', `/CN=${name} authority`, '-keyout', file('ca-key.pem'), '-out', file('ca.pem')]
  await run('openssl', ['req', '-x509', ...newKey, ...authority])
  await run('openssl', ['req', ...newKey, '-subj', '/CN=server', '-keyout', file('key.pem'), '-out', file('request.pem')])
  await writeFile(file('extensions'), 'subjectAltName=IP:127.0.0.1\n')
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem'), '-CAcreateserial', '-extfile', file('extensions')]
  await run('openssl', ['x509', '-req', '-days', '2', '-in', file('request.pem'), ...signer, '-out', file('cert.pem')])
  return {
    authorityFile: file('ca.pem'),
    certificate: await readFile(file('cert.pem'), 'utf8'),
    key: await readFile(file('key.pem'), 'utf8'),
  }
}
