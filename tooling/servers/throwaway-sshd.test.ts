import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRunning } from './is-running.ts'
import { processOutput } from './process-output.ts'
import { startThrowawaySshd, type ThrowawaySshd } from './throwaway-sshd.ts'

function sftp(server: ThrowawaySshd, keyFile: string, batch: string): Promise<Buffer> {
  const options = [
    '-o',
    'BatchMode=yes',
    '-o',
    `UserKnownHostsFile=${server.knownHostsFile}`,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'IdentityAgent=none',
  ]
  const login = ['-q', '-b', '-', '-P', String(server.port), '-i', keyFile, ...options, `${server.user}@${server.host}`]
  return processOutput('sftp', login, { input: batch })
}

test('OpenSSH itself stores a file there with the one key, and not with the other', async () => {
  await using server = await startThrowawaySshd()
  const file = join(server.directory, 'sent')
  await writeFile(file, 'content')
  await sftp(server, server.keyFile, `put ${file} ${server.remotePath}/object\n`)
  expect(await readFile(join(server.files, 'object'), 'utf8')).toBe('content')
  await expect(sftp(server, server.strangerKeyFile, 'pwd\n')).rejects.toThrow('ended with 255')
})

test.skipIf(process.platform === 'win32' || process.getuid?.() !== 0)('users are shut into a chroot, where files are /data', async () => {
  await using server = await startThrowawaySshd({ chroot: true })
  expect((await sftp(server, server.keyFile, 'ls -1 /\n')).toString()).toMatch(/^\/?data$/m)
})

test('a killed server answers nothing, and again after a restart', async () => {
  await using server = await startThrowawaySshd()
  await server.kill()
  await expect(sftp(server, server.keyFile, 'pwd\n')).rejects.toThrow()
  await server.restart()
  await sftp(server, server.keyFile, 'pwd\n')
})

test('the server and its folder go with the process that started it', async () => {
  const module = new URL('./throwaway-sshd.ts', import.meta.url).href
  const script = `const { startThrowawaySshd } = await import(${JSON.stringify(module)}); const server = await startThrowawaySshd(); console.log(JSON.stringify([server.pid, server.directory])); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())))
  const [pid, directory] = JSON.parse(line) as [number, string]
  expect(existsSync(directory)).toBe(true)
  expect(isRunning(pid)).toBe(true)
  child.kill('SIGKILL')
  await expect.poll(() => existsSync(directory), { timeout: 10_000 }).toBe(false)
  expect(isRunning(pid)).toBe(false)
})
