import * as os from 'node:os'
import { join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { plugin } from './restic-plugin.ts'
import { exampleResticSettings, resolveResticSettings } from './restic-settings.ts'
import { PackBuffers } from './write/pack-buffers.ts'
import { mostSlabs, slabBytes } from './write/slab-memory.ts'

vi.mock('node:os', async (original) => {
  const real = await original<typeof os>()
  return { ...real, homedir: vi.fn(real.homedir) }
})

const mebibyte = 1024 ** 2

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('the settings of a restic repository', () => {
  it('need a password only', () => {
    expect(resolveResticSettings({ password: 'x' })).toMatchObject({
      password: 'x',
      packBytes: 16 * mebibyte,
      compressionLevel: 2,
      slabs: 6,
      packs: 3,
      threads: Math.min(8, os.availableParallelism()),
      waitForLockMilliseconds: 0,
    })
  })

  it.each([
    ['no password', {}, 'password'],
    ['an empty password', { password: '' }, 'password'],
    ['packs that restic would not make', { password: 'x', packBytes: mebibyte }, 'packBytes'],
    ['packs that restic would not read', { password: 'x', packBytes: 256 * mebibyte }, 'packBytes'],
    ['a level that is none', { password: 'x', compressionLevel: 20 }, 'compressionLevel'],
    ['no threads', { password: 'x', threads: 0 }, 'threads'],
    ['too little memory', { password: 'x', memoryBytes: 95 * mebibyte }, 'memoryBytes'],
    ['too little memory for the longest chunk', { password: 'x', packBytes: 4 * mebibyte, memoryBytes: 71 * mebibyte }, 'memoryBytes'],
    ['too little memory for its packs', { password: 'x', packBytes: 64 * mebibyte, memoryBytes: 200 * mebibyte }, 'memoryBytes'],
    ['a cache that lies somewhere', { password: 'x', cacheDirectory: 'cache' }, 'cacheDirectory'],
    ['a word that is none', { password: 'x', passwort: 'y' }, 'passwort'],
  ])('are refused with %s, by its name', (_, settings, name) => {
    expect(() => resolveResticSettings(settings)).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringContaining(name) }),
    )
  })

  it('are refused without showing the password', () => {
    try {
      resolveResticSettings({ password: 'hunter2', threads: 0, memoryBytes: 1 })
      expect.unreachable()
    } catch (error) {
      expect(BackupError.is(error) && `${error.message} ${error.hint}`).not.toContain('hunter2')
    }
  })

  it('take no more memory than they say, and enough to come to an end', () => {
    const packBytes = fc.integer({ min: 4 * mebibyte, max: 128 * mebibyte })
    const more = fc.oneof(fc.integer({ min: 0, max: 100 * mebibyte }), fc.integer({ min: 0, max: 2 ** 36 }))
    fc.assert(
      fc.property(packBytes, more, (bytes, above) => {
        // Any pack may have to hold the longest chunk there is, sealed.
        const held = Math.max(bytes, 8 * mebibyte + 32)
        const memoryBytes = 48 * mebibyte + 3 * held + above
        const { slabs, packs } = resolveResticSettings({ password: 'x', packBytes: bytes, memoryBytes })
        expect(slabs * slabBytes + packs * new PackBuffers(packs, bytes, () => undefined).capacity).toBeLessThanOrEqual(memoryBytes)
        expect(slabs).toBeGreaterThanOrEqual(6)
        expect(slabs).toBeLessThanOrEqual(mostSlabs)
        expect(packs).toBeGreaterThanOrEqual(3)
      }),
    )
  })

  it('have memory enough for larger packs when nothing is said of it', () => {
    expect(resolveResticSettings({ password: 'x', packBytes: 128 * mebibyte })).toMatchObject({ slabs: 6, packs: 3 })
  })

  it('have an example that is right once its comments are not', () => {
    const [first, ...others] = exampleResticSettings.trim().split('\n')
    expect(first).toMatch(/^password: "\$\{file:/)
    const settings = others.map((line) => /^# (\w+): +(\S+)/.exec(line)?.slice(1) ?? expect.unreachable())
    const values = Object.fromEntries(settings.map(([name, value = '']) => [name, /^\d+$/.test(value) ? Number(value) : value]))
    expect(resolveResticSettings({ ...values, password: 'x' })).toMatchObject({ packBytes: 16 * mebibyte, packs: 3, slabs: 6 })
    expect(plugin.exampleSettings).toBe(exampleResticSettings)
  })
})

describe.skipIf(process.platform === 'win32' || process.platform === 'darwin')('the cache of manifests', () => {
  const directory = (settings = {}) => resolveResticSettings({ password: 'x', ...settings }).cacheDirectory

  it('lies where it is told to, or nowhere', () => {
    expect(directory({ cacheDirectory: '/var/cache/x' })).toBe('/var/cache/x')
    expect(directory({ cacheDirectory: false })).toBeUndefined()
  })

  it('lies in the cache of the user', () => {
    vi.stubEnv('XDG_CACHE_HOME', '/caches')
    expect(directory()).toBe('/caches/backup-planet/restic')
  })

  it.each(['', 'caches', undefined])('lies below the home of the user where the cache of the user is %j', (named) => {
    vi.stubEnv('XDG_CACHE_HOME', named)
    expect(directory()).toBe(join(os.homedir(), '.cache/backup-planet/restic'))
  })

  it.each([
    ['is not known', () => ''],
    [
      'is not there, as in some containers',
      () => {
        throw new Error('uv_os_homedir returned ENOENT')
      },
    ],
  ])('is none where the home of the user %s', (_, home) => {
    vi.stubEnv('XDG_CACHE_HOME', undefined)
    vi.mocked(os.homedir).mockImplementation(home)
    expect(directory()).toBeUndefined()
  })
})
