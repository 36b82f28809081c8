import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRunning } from './is-running.ts'
import { processOutput } from './process-output.ts'
import { startThrowawayProftpd, type ThrowawayProftpd } from './throwaway-proftpd.ts'

function sftp(server: ThrowawayProftpd, batch: string): Promise<Buffer> {
  const settings = ['BatchMode=yes', `UserKnownHostsFile=${server.knownHostsFile}`, 'IdentitiesOnly=yes', 'IdentityAgent=none']
  const options = settings.flatMap((setting) => ['-o', setting])
  const login = ['-q', '-b', '-', '-P', String(server.port), '-i', server.keyFile, ...options, `${server.user}@${server.host}`]
  return processOutput('sftp', login, { input: batch })
}

test('OpenSSH itself stores a file there, and loses without a word what goes beyond the quota', async () => {
  await using server = await startThrowawayProftpd({ quotaBytes: 100_000 })
  const [small, large] = [join(server.directory, 'small'), join(server.directory, 'large')]
  await writeFile(small, 'content')
  await writeFile(large, Buffer.alloc(200_000))
  await sftp(server, `put ${small} ${server.remotePath}/object\n`)
  expect(await readFile(join(server.files, 'object'), 'utf8')).toBe('content')
  await sftp(server, `put ${large} ${server.remotePath}/large\n`)
  expect(await readdir(server.files)).toEqual(['object'])
})

test('the server and its folder go with the process that started it', async () => {
  const module = new URL('./throwaway-proftpd.ts', import.meta.url).href
  const script = `const { startThrowawayProftpd } = await import(${JSON.stringify(module)}); const server = await startThrowawayProftpd(); console.log(JSON.stringify([server.pid, server.directory])); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())))
  const [pid, directory] = JSON.parse(line) as [number, string]
  expect(existsSync(directory)).toBe(true)
  expect(isRunning(pid)).toBe(true)
  child.kill('SIGKILL')
  await expect.poll(() => existsSync(directory), { timeout: 10_000 }).toBe(false)
  expect(isRunning(pid)).toBe(false)
})
