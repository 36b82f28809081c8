import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startThrowawaySshd } from '../tooling/servers/throwaway-sshd.ts'
import { type Measurement, measure, type ProgramCall } from './measured-process.ts'
import { median } from './median.ts'
import { wholeNumber } from './whole-number.ts'

/** Random bytes to and from an OpenSSH server on this machine, ours beside OpenSSH's `sftp`: medians, as ratios. */
const megabytes = wholeNumber('SFTP_MEGABYTES', 1024)
const rounds = wholeNumber('SFTP_ROUNDS', 5)

await using server = await startThrowawaySshd()
const scratch = await mkdtemp(join(tmpdir(), 'bench-sftp-'))
try {
  const file = join(scratch, 'random')
  const handle = await open(file, 'w')
  for (let written = 0; written < megabytes; written++) await handle.write(randomBytes(1024 ** 2))
  await handle.close()
  const settings = JSON.stringify({
    host: server.host,
    port: server.port,
    user: server.user,
    path: server.remotePath,
    privateKeyFile: server.keyFile,
    knownHostsFile: server.knownHostsFile,
  })
  const ours = (task: 'put' | 'get'): ProgramCall => ({
    program: process.execPath,
    arguments: [join(import.meta.dirname, 'sftp-transfer.ts'), task, task === 'put' ? file : join(scratch, 'ours'), settings],
  })
  const theirs = async (task: 'put' | 'get'): Promise<ProgramCall> => {
    const batch = join(scratch, `${task}.batch`)
    const remote = `${server.remotePath}/theirs`
    await writeFile(batch, task === 'put' ? `put ${file} ${remote}\n` : `get ${remote} ${join(scratch, 'theirs')}\n`)
    const login = ['-P', String(server.port), '-i', server.keyFile, '-o', `UserKnownHostsFile=${server.knownHostsFile}`]
    return { program: 'sftp', arguments: ['-q', '-b', batch, ...login, `${server.user}@${server.host}`] }
  }
  const results = []
  for (const task of ['put', 'get'] as const) {
    const found: Record<'ours' | 'sftp', Measurement[]> = { ours: [], sftp: [] }
    for (let round = 0; round < rounds; round++) {
      found.ours.push(await measure({ calls: [ours(task)] }))
      found.sftp.push(await measure({ calls: [await theirs(task)] }))
    }
    const seconds = { ours: median(found.ours.map((each) => each.seconds)), sftp: median(found.sftp.map((each) => each.seconds)) }
    results.push({
      task,
      ours: seconds.ours,
      sftp: seconds.sftp,
      ratio: seconds.ours / seconds.sftp,
      peakMegabytes: Math.max(...found.ours.map((each) => each.peakBytes)) / 1e6,
    })
  }
  for (const { task, ours: own, sftp, ratio, peakMegabytes } of results) {
    console.log(
      `${task} ${megabytes} MiB: ours ${own.toFixed(2)} s, sftp ${sftp.toFixed(2)} s, ratio ${ratio.toFixed(2)}, peak ${peakMegabytes.toFixed(0)} MB`,
    )
  }
  await writeFile(
    join(import.meta.dirname, 'sftp-results.json'),
    `${JSON.stringify({ megabytes, rounds, processors: availableParallelism(), results }, undefined, 2)}\n`,
  )
} finally {
  await rm(scratch, { recursive: true, force: true })
}
