import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { encodeSegment, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAll, stageOf, storeStage, type TestFile } from '../src/__fixtures__/test-stage.ts'
import { type ArchiveSettings, archiveFormats } from '../src/archive-settings.ts'
import { createArchiveRepository } from '../src/index.ts'

const run = promisify(execFile)

/** What the guide may ask for, and nothing of ours: the commands run with only these on the PATH. */
const tools = ['age', 'tar', 'unzip', 'zstd', 'gzip', 'sha256sum', 'mkdir', 'dirname', 'cp', 'rm', 'sh']

let directory: string
let toolFolder: string
let identityFile: string
let recipient: string
let identity: string

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'restore-by-hand-'))
  toolFolder = path.join(directory, 'tools')
  await mkdir(toolFolder)
  for (const tool of tools) {
    const { stdout } = await run('/bin/sh', ['-c', `command -v ${tool}`])
    await writeFile(path.join(toolFolder, tool), `#!/bin/sh\nexec ${stdout.trim()} "$@"\n`)
    await chmod(path.join(toolFolder, tool), 0o755)
  }
  identityFile = path.join(directory, 'key.txt')
  await run('age-keygen', ['-o', identityFile])
  identity = await readFile(identityFile, 'utf8')
  recipient = (await run('age-keygen', ['-y', identityFile])).stdout.trim()
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

const oddFiles: TestFile[] = [
  { item: 'größe 漢', name: 'quote\' "double" $(id) `id` é 漢', bytes: Buffer.from('odd') },
  { item: '-rf', name: '-rf', bytes: Buffer.from('dash') },
  { item: "it's $HOME", name: `deep/${'d'.repeat(150)}/${'n'.repeat(200)}`, bytes: randomBytes(5000) },
  { item: 'shop.002', name: 'a', bytes: Buffer.from('looks like a volume') },
]

function filesFor(format: string): TestFile[] {
  const shop = ['metadata', 'empty', 'data/rows.1.zst', 'data/rows.2.dat', 'ab:c'].map((name, index) => ({
    item: 'shop',
    name,
    bytes: index === 1 ? Buffer.alloc(0) : randomBytes(index * 60_000 + 10),
  }))
  // Info-ZIP's unzip replaces control characters in names; every other tool gives them back.
  return [...shop, ...oddFiles, ...(format === 'zip' ? [] : [{ item: 'shop', name: 'new\nline\ttab', bytes: Buffer.from('lines') }])]
}

const passphrase = 'correct horse battery'
const cases = archiveFormats.flatMap((format) =>
  ['nothing', 'a recipient', 'a passphrase'].map((encryptedFor) => ({ format, encryptedFor })),
)

describe('RESTORE.md alone', () => {
  it.each(cases)('restores $format (encrypted for $encryptedFor) byte for byte', async ({ format, encryptedFor }) => {
    const uploader = createMemoryUploader()
    const encryption = encryptedFor === 'a recipient' ? { recipients: [recipient] } : { passphrase }
    const settings: ArchiveSettings = { format, volumeBytes: 100_000, ...(encryptedFor === 'nothing' ? {} : { encryption }) }
    const files = filesFor(format)
    await storeStage(createArchiveRepository({ uploader, ...settings }), stageOf(files))
    const folder = await materialise(uploader)
    const commands = await guideCommands(folder)
    if (encryptedFor === 'a passphrase') await bashInTerminal(commands, folder, [passphrase])
    else await bash(commands, folder, { AGE_KEY: identityFile })
    const wanted = files.map(({ item, name }) => `restored/${encodeSegment(item)}/${name}`).sort()
    expect((await filesBelow(folder, 'restored')).sort()).toEqual(wanted)
    for (const { item, name, bytes } of files) {
      expect((await readFile(path.join(folder, 'restored', encodeSegment(item), name))).equals(bytes), name).toBe(true)
    }
  })

  it('stops at a damaged object', async () => {
    const uploader = createMemoryUploader()
    await storeStage(createArchiveRepository({ uploader }), stageOf(filesFor('tar.zst')))
    const folder = await materialise(uploader)
    const archive = path.join(folder, 'shop.tar.zst')
    const bytes = await readFile(archive)
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(archive, bytes)
    await expect(bash(await guideCommands(folder), folder, {})).rejects.toMatchObject({ stdout: 'shop.tar.zst: FAILED\n' })
    await expect(filesBelow(folder, 'restored')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the age program', () => {
  it('is asked for the passphrase once, and leaves no secret key behind when that is wrong', async () => {
    const uploader = createMemoryUploader()
    await storeStage(createArchiveRepository({ uploader, encryption: { passphrase } }), stageOf(filesFor('tar.zst')))
    const folder = await materialise(uploader)
    await expect(bashInTerminal(await guideCommands(folder), folder, ['wrong horse'])).rejects.toThrow(/incorrect passphrase/)
    expect(await filesBelow(folder, 'restored')).toEqual([])
  })

  it.each(['a recipient', 'a passphrase'])('encrypts what we open (%s)', async (by) => {
    const uploader = createMemoryUploader()
    const file = { item: 'shop', name: 'rows', bytes: randomBytes(200_000) }
    const settings: ArchiveSettings =
      by === 'a recipient' ? { encryption: { recipients: [recipient] }, identities: [identity] } : { encryption: { passphrase } }
    if (by === 'a passphrase') {
      // An identity file as a user of age makes one, put there before the first backup.
      const made = path.join(directory, 'identity.age')
      await withTerminal('age', ['--passphrase', '--output', made, identityFile], directory, [passphrase, passphrase])
      put(uploader, 'shop/identity.age', await readFile(made))
    }
    const repository = createArchiveRepository({ uploader, format: 'files', ...settings })
    const backup = await storeStage(repository, stageOf([file]))
    await writeFile(path.join(directory, 'plain'), file.bytes)
    const sealed = path.join(directory, 'sealed.age')
    await rm(sealed, { force: true })
    await run('age', ['--encrypt', '--output', sealed, '--recipient', recipient, path.join(directory, 'plain')])
    const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('/shop/000001.age')) ?? ''
    put(uploader, key, await readFile(sealed))
    const reader = createArchiveRepository({ uploader, ...settings })
    expect((await readAll(reader, backup)).get(JSON.stringify(['shop', 'rows']))?.equals(file.bytes)).toBe(true)
  })
})

function put(uploader: MemoryUploader, key: string, bytes: Uint8Array): void {
  uploader.objects.set(key, { bytes, modifiedAt: new Date().toISOString(), sha256: createHash('sha256').update(bytes).digest('hex') })
}

async function materialise(uploader: MemoryUploader & Uploader): Promise<string> {
  const root = await mkdtemp(path.join(directory, 'store-'))
  let folder = ''
  for (const [key, { bytes }] of uploader.objects) {
    const file = path.join(root, key)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, bytes)
    if (key.endsWith('/manifest.json')) folder = path.dirname(file)
  }
  return folder
}

async function guideCommands(folder: string): Promise<string> {
  const guide = await readFile(path.join(folder, 'RESTORE.md'), 'utf8')
  const blocks = [...guide.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, block]) => block ?? '')
  expect(blocks).toHaveLength(2)
  return `set -e\n${blocks.join('\n')}`
}

async function bash(script: string, folder: string, environment: Record<string, string>): Promise<void> {
  await run('/bin/bash', ['-c', script], { cwd: folder, env: { PATH: toolFolder, ...environment } })
}

async function bashInTerminal(script: string, folder: string, answers: readonly string[]): Promise<void> {
  const file = path.join(directory, 'commands.sh')
  await writeFile(file, script)
  await withTerminal('/usr/bin/env', ['-i', `PATH=${toolFolder}`, '/bin/bash', file], folder, answers)
}

/** Names relative to `root`, as bytes would name them. */
async function filesBelow(root: string, folder: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    const name = `${folder}/${entry.name}`
    if (entry.isDirectory()) found.push(...(await filesBelow(root, name)))
    else found.push(name)
  }
  return found
}

/** Runs a program that insists on a terminal and answers each of its questions. */
function withTerminal(program: string, parameters: readonly string[], folder: string, answers: readonly string[]): Promise<string> {
  const command = [program, ...parameters].map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let answered = 0
    const onData = (chunk: Buffer) => {
      output += chunk.toString()
      while (answered < answers.length && (output.match(/passphrase[^:\n]*:/gi)?.length ?? 0) > answered)
        child.stdin.write(`${answers[answered++]}\r`)
    }
    child.stdout.on('data', onData)
    child.stderr.on('data', onData)
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${program} exited with ${code}: ${output}`))))
  })
}
