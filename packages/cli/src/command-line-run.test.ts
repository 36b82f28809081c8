import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, directoryUploaderPlugin, type UploaderPlugin, uploaderLayer } from '@backup-planet/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'
import { samplePlugin } from './__fixtures__/sample-agent.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

test('what could not be sent is never sent to the repository that a job of the same name has in another configuration', async () => {
  const withoutStaging = sampleConfiguration.replace(/staging: .*\n/, '')
  await writeFile(here.file, withoutStaging, { mode: 0o600 })
  const other = join(here.directory, 'other.yaml')
  await writeFile(other, withoutStaging.replace('./backups', './elsewhere'), { mode: 0o600 })
  const full: UploaderPlugin = {
    ...directoryUploaderPlugin,
    create(destination, settings) {
      const uploader = directoryUploaderPlugin.create(destination, settings)
      return uploaderLayer(uploader, {
        upload(key, content, options) {
          if (!key.endsWith('/manifest.json')) return uploader.upload(key, content, options)
          return Promise.reject(new BackupError('the disk is full', { code: 'OUT_OF_SPACE', hint: 'Free space.' }))
        },
      })
    },
  }
  expect(await here.run(['run', 'shop'], { plugins: [samplePlugin(here.server), full] })).toMatchObject({ code: 1 })
  const second = await here.run(['--no-config', '--config', other, 'run', 'shop'])
  expect(second).toMatchObject({ code: 0, stderr: expect.not.stringContaining('sending first') })
  expect((await here.run(['run', 'shop'])).stderr).toContain('sending first: run ')
})

test('a second run of a job beside the first is refused, and the first is not disturbed', async () => {
  const controller = new AbortController()
  const hanging = Promise.withResolvers<void>()
  here.server.fault = 'hangs'
  here.server.onHang = hanging.resolve
  const first = here.run(['run', 'shop'], { signal: controller.signal })
  await hanging.promise
  delete here.server.fault
  expect(await here.run(['run', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('failed: CONFLICT') })
  controller.abort()
  expect(await first).toMatchObject({ code: 130 })
  expect(await here.run(['run', 'shop'])).toMatchObject({ code: 0 })
})

test('a run says how much it captured, how much of that it stored, and the ratio', async () => {
  await using other = await commandLineOf(sampleConfiguration, { orders: 'x'.repeat(1024 ** 2) })
  const { stdout, lines } = await other.run(['run', 'shop'])
  expect(stdout).toMatch(/, 1 item, 1\.0 MiB captured, \S+ (KiB|B) stored \(\d+\.\d : 1\), in \S+, in file:/)
  expect(lines).toEqual([])
  expect((await here.run(['run', 'shop'])).stdout).toMatch(/, 16 B captured, \S+ \S+ stored, in \S+, in file:/)
})

test('a failed run is told, and nothing is listed', async () => {
  here.server.fault = 'unreachable'
  const { code, stderr, lines } = await here.run(['run', 'shop', '--json'])
  expect(stderr).toContain('failed: UNREACHABLE\n  nobody answers at sample\n  hint: ')
  expect(lines.at(-1)).toEqual({ type: 'failure', code: 'UNREACHABLE', message: 'nobody answers at sample', hint: expect.any(String) })
  expect(code).toBe(1)
  expect(await here.run(['list'])).toMatchObject({ code: 0, stdout: 'no backups yet\n' })
})

test.each(['hangs', 'breaks-when-aborted'] as const)(
  'an aborted run ends with 130 when the server %s, and nothing is listed',
  async (fault) => {
    const controller = new AbortController()
    here.server.fault = fault
    here.server.onHang = () => controller.abort()
    const { code, lines } = await here.run(['run', 'shop', '--json'], { signal: controller.signal })
    expect(code).toBe(130)
    expect(lines.at(-1)).toMatchObject({ type: 'failure', code: 'ABORTED' })
    expect(await here.run(['list'])).toMatchObject({ stdout: 'no backups yet\n' })
  },
)

test('whatever breaks because of the abort is told as an abort', async () => {
  const controller = new AbortController()
  here.server.fault = 'breaks-when-aborted'
  here.server.onHang = () => controller.abort()
  const { code, stderr } = await here.run(['discover', 'shop'], { signal: controller.signal })
  expect(stderr).toContain('failed: ABORTED')
  expect(code).toBe(130)
})

test('what is aborted before it begins does nothing', async () => {
  const signal = AbortSignal.abort()
  expect(await here.run(['list'], { signal })).toMatchObject({ code: 130, stdout: '' })
})
