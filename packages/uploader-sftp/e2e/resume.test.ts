import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Reopenable } from '@backup-planet/core'
import { eventually } from '@backup-planet/core/conformance'
import { reopenable, sampleBytes, sha256Of } from '@backup-planet/core/testing'
import { startTcpFaultProxy } from '@backup-planet/tooling/tcp-fault-proxy'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { createSftpUploader, type SftpSettings } from '../src/index.ts'
import { filesBelow, settingsFor, sftpPlace } from './sftp-place.ts'

const mebibyte = 1024 ** 2
/** 2048 for the proof in the large. */
const killedMebibytes = Number(process.env.BACKUP_PLANET_SFTP_KILL_MEBIBYTES ?? 24)
/** What a killed upload may cost. */
const mostSentTwice = 8 * mebibyte
const bytes = sampleBytes(24 * mebibyte, 9)

const seen = { kills: 0, 'bytes of the object': killedMebibytes * mebibyte, 'most bytes sent twice': 0 }
afterAll(() => recordEvidence(import.meta.url, seen))

let server: ThrowawaySshd
let withoutCommands: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd()
  withoutCommands = await startThrowawaySshd({ commands: false })
})
afterAll(async () => {
  await server.stop()
  await withoutCommands.stop()
})

const killedUpload = `
  import { createReadStream } from 'node:fs'
  const { createSftpUploader } = await import(process.argv[1])
  const { settings, file, size, sha256 } = JSON.parse(process.argv[2])
  const uploader = createSftpUploader(settings)
  await uploader.upload('packs/ab/object', {
    size, sha256,
    async *open() {
      for await (const chunk of createReadStream(file, { highWaterMark: 262_144 })) {
        yield chunk
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    },
  })
`

/** Leaves half a part of `content` or more behind, by the death of the process that writes it. Resolves with its size. */
async function killMidway(target: ThrowawaySshd, name: string, content = bytes): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'sftp-resume-'))
  onTestFinished(() => rm(scratch, { recursive: true }))
  const file = join(scratch, 'content')
  await writeFile(file, content)
  const settings = settingsFor(target, { path: `${target.remotePath}/${name}` })
  const parameters = JSON.stringify({ settings, file, size: content.length, sha256: sha256Of(content) })
  const module = new URL('../src/index.ts', import.meta.url).href
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', killedUpload, module, parameters], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const folder = join(target.files, name, 'packs/ab')
  const sizeOfPart = async (): Promise<number> => {
    const part = (await readdir(folder).catch(() => [])).find((entry) => entry.endsWith('.part'))
    return part === undefined ? 0 : (await stat(join(folder, part))).size
  }
  try {
    await eventually(async () => (await sizeOfPart()) >= content.length / 2, 'the part grows', 10_000 + content.length / 10_000)
  } finally {
    child.kill('SIGKILL')
  }
  await new Promise((resolve) => child.once('exit', resolve))
  // The server writes what has still arrived.
  await eventually(async () => {
    const before = await sizeOfPart()
    await new Promise((resolve) => setTimeout(resolve, 100))
    return before === (await sizeOfPart())
  }, 'the part rests')
  return await sizeOfPart()
}

/** Says how often it was read from its beginning. */
function counted(content: Buffer): Reopenable & { readonly opened: () => number } {
  let opened = 0
  return {
    ...reopenable(content, [262_144]),
    open() {
      opened++
      return reopenable(content, [262_144]).open()
    },
    opened: () => opened,
  }
}

describe.each(['with sha256sum on the server', 'read back'])('an upload that was killed, %s', (how) => {
  const target = () => (how === 'read back' ? withoutCommands : server)

  it('is gone on with by another process, with at most 8 MiB sent twice', { timeout: 60_000 + killedMebibytes * 200 }, async () => {
    const killed = killedMebibytes === 24 ? bytes : sampleBytes(killedMebibytes * mebibyte, 9)
    const name = `killed-${how === 'read back' ? 'b' : 'a'}`
    const left = await killMidway(target(), name, killed)
    expect(await filesBelow(join(target().files, name))).toEqual([expect.stringMatching(/^packs\/ab\/\.object\.[0-9a-f]{16}\.part$/)])
    const place = join(target().files, name, 'packs/ab')
    const [part = ''] = await readdir(place)
    // What is kept is not written again: a mark in it that is not of the content would stay, if its hash were not looked at.
    const inode = (await stat(join(place, part))).ino
    const content = counted(killed)
    const sent = await bytesSent(target(), async (through) => {
      await using uploader = createSftpUploader(settingsFor(target(), { path: `${target().remotePath}/${name}`, ...through }))
      await uploader.upload('packs/ab/object', content)
    })
    const missing = killed.length - left
    const twice = sent - missing - Math.ceil(missing * wrapping)
    seen.kills++
    seen['most bytes sent twice'] = Math.max(seen['most bytes sent twice'], twice)
    expect(twice).toBeLessThanOrEqual(mostSentTwice)
    expect(sent, 'a part of it is sent').toBeGreaterThan(missing)
    expect(content.opened()).toBe(1)
    expect((await stat(join(place, 'object'))).ino, 'the part has become the object').toBe(inode)
    expect(await sha256OfFile(join(place, 'object'))).toBe(sha256Of(killed))
    expect(await filesBelow(join(target().files, name))).toEqual(['packs/ab/object'])
    await rm(join(target().files, name), { recursive: true })
  })

  it('is sent anew when what is left is not its beginning, and no bad byte stays', async () => {
    const name = `damaged-${how === 'read back' ? 'b' : 'a'}`
    await killMidway(target(), name)
    const folder = join(target().files, name, 'packs/ab')
    const [part = ''] = await readdir(folder)
    const file = await open(join(folder, part), 'r+')
    await file.write(Buffer.from([bytes[1000] === 0 ? 1 : 0]), 0, 1, 1000)
    await file.close()
    await using uploader = createSftpUploader(settingsFor(target(), { path: `${target().remotePath}/${name}` }))
    const content = counted(bytes)
    await uploader.upload('packs/ab/object', content)
    expect(content.opened()).toBe(2)
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
  })
})

describe('what is left of an upload', () => {
  it('is not taken for other content under the same key', async () => {
    await killMidway(server, 'other')
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/other` }))
    const other = randomBytes(20 * mebibyte)
    await uploader.upload('packs/ab/object', reopenable(other))
    expect(other.equals(await readFile(join(server.files, 'other/packs/ab/object')))).toBe(true)
    expect(await uploader.removeAbandonedParts(), 'too young').toBe(0)
    expect(await uploader.removeAbandonedParts({ olderThanSeconds: 0 })).toBe(1)
    expect(await filesBelow(join(server.files, 'other'))).toEqual(['packs/ab/object'])
  })

  it('is not removed while this uploader writes it', async () => {
    const place = await sftpPlace(server)
    onTestFinished(() => place.dispose?.())
    let goOn: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    let reached: () => void = () => undefined
    const half = new Promise<void>((resolve) => {
      reached = resolve
    })
    const upload = place.uploader.upload('a/object', {
      async *open() {
        yield bytes.subarray(0, mebibyte)
        reached()
        await gate
        yield bytes.subarray(mebibyte, 2 * mebibyte)
      },
    })
    await half
    expect(await place.uploader.removeAbandonedParts({ olderThanSeconds: 0 })).toBe(0)
    goOn()
    expect((await upload).size).toBe(2 * mebibyte)
  })

  it('is gone on with by the same uploader after its connection broke', async () => {
    const place = await sftpPlace(server)
    onTestFinished(() => place.dispose?.())
    let sent = 0
    const content: Reopenable = {
      ...reopenable(bytes),
      async *open() {
        for (let at = 0; at < bytes.length; at += 262_144) {
          yield bytes.subarray(at, at + 262_144)
          sent += 262_144
          if (sent === 16 * mebibyte) await server.killSessions()
        }
      },
    }
    await expect(place.uploader.upload('object', content)).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    expect(await place.uploader.stat('object')).toBeUndefined()
    const content2 = counted(bytes)
    await place.uploader.upload('object', content2)
    expect(content2.opened()).toBe(1)
    expect(await place.everythingStored?.()).toEqual(['object'])
  })
})

/** What SSH adds to what it carries, at least: requests of 32 KiB, each with a header and a code of authentication. */
const wrapping = 0.001

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

/** What goes over the network while `work` uploads through a proxy: SSH adds less than one part in a hundred. */
async function bytesSent(target: ThrowawaySshd, work: (through: Partial<SftpSettings>) => Promise<unknown>): Promise<number> {
  await using proxy = await startTcpFaultProxy(target)
  await work({ port: proxy.port, hostKeyFingerprint: await target.fingerprint() })
  return proxy.bytes.up
}
