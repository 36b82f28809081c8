import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createReadStream, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { basename } from 'node:path'
import type { Uploader } from '@backup-planet/core'
import { plugin as s3 } from '@backup-planet/uploader-s3'
import { plugin as sftp } from '@backup-planet/uploader-sftp'

// DESTINATION=s3://backups/crash node resume-after-crash.ts FILE, or DESTINATION=sftp://backup@backup.example.org/srv/backups
const { DESTINATION = 's3://backups/crash', JOURNAL_DIRECTORY = '/var/lib/backup-planet/uploads' } = process.env
const { SFTP_KEY_FILE = '/etc/backup-planet/id_ed25519', SFTP_FINGERPRINT = '' } = process.env
const [, , file = '', role] = process.argv
const { size } = await stat(file)

if (role === undefined) await crashAndResume()
else await upload(role === 'crash')

/** One process is killed with SIGKILL half-way, as by a loss of power; another one goes on with what the store has. */
async function crashAndResume(): Promise<void> {
  const first = await inProcess('crash')
  console.log(`killed by ${first.signal}: ${mebibytes(first.sent)} of ${mebibytes(size)} were sent, and nothing of it can be seen`)
  const second = await inProcess('resume')
  const again = Math.max(0, first.sent + second.sent - size)
  console.log(`another process sent the other ${mebibytes(second.sent)}: ${mebibytes(again)} were sent again`)
}

async function inProcess(as: string): Promise<{ readonly sent: number; readonly signal: string | null }> {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, file, as], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0 && as !== 'crash') process.exit(1)
  return { sent: Number(Buffer.concat(said).toString()), signal }
}

async function upload(crash: boolean): Promise<void> {
  const sockets = new Set<Socket>()
  subscribe('net.client.socket', (opened) => void sockets.add((opened as { readonly socket: Socket }).socket))
  const sent = (): number => [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  const watch = setInterval(() => {
    if (!crash || sent() < size / 2) return
    writeSync(1, String(sent()))
    process.kill(process.pid, 'SIGKILL')
  }, 1)
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  await using uploader = openUploader()
  // What is announced, size and hash, is what another process recognises the content by.
  await uploader.upload(basename(file), { size, sha256: hash.digest('hex'), open: () => createReadStream(file) })
  clearInterval(watch)
  writeSync(1, String(sent()))
}

function openUploader(): Uploader {
  if (DESTINATION.startsWith('sftp:')) {
    // A part that was left on the server is itself the note of how far it came.
    return sftp.create(DESTINATION, { privateKeyFile: SFTP_KEY_FILE, hostKeyFingerprint: SFTP_FINGERPRINT })
  }
  // Which upload is on its way is noted in the journal. Two parts at once are all that a crash can cost.
  return s3.create(DESTINATION, { journalDirectory: JOURNAL_DIRECTORY, partBytes: 5 * 1024 ** 2, concurrency: 2 })
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}
