import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { collectionByProgram, smallYoungSpace } from '../src/lean-memory.ts'

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

// Arenas are glibc's, and /proc is Linux's.
it.skipIf(process.platform !== 'linux')(
  'a run starts anew with one allocation arena and little room for young objects, as the same process, and still stops on a signal',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lean-memory-'))
    // Takes connections and never says a word, so that the run waits.
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const configuration = join(directory, 'backup-planet.yaml')
    await writeFile(
      configuration,
      `repositories: { here: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: mysql, settings: { host: 127.0.0.1, port: ${port}, user: backup, ssl: false, connectTimeoutSeconds: 60 }, repository: here } }
staging: { directory: ${directory}/staging }
`,
      { mode: 0o600 },
    )
    const { MALLOC_ARENA_MAX: _, ...environment } = process.env
    const asked = ['--max-semi-space-size=2', '--conditions=@backup-planet/source']
    const child = spawn(process.execPath, [...asked, main, 'run', 'shop', '--config', configuration], {
      env: environment,
      stdio: 'ignore',
    })
    try {
      const ended = once(child, 'exit')
      await once(silent, 'connection')
      expect((await readFile(`/proc/${child.pid}/environ`, 'utf8')).split('\0')).toContain('MALLOC_ARENA_MAX=1')
      // Node takes the last of two: who asks for another size gets it.
      expect((await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).split('\0').slice(1, 5)).toEqual([
        smallYoungSpace,
        collectionByProgram,
        ...asked,
      ])
      const stopped = performance.now()
      child.kill('SIGINT')
      expect((await ended)[0]).toBe(130)
      expect(performance.now() - stopped, 'a server that says nothing does not hold up the end').toBeLessThan(30_000)
    } finally {
      child.kill('SIGKILL')
      silent.close()
      await rm(directory, { recursive: true, force: true })
    }
  },
)
