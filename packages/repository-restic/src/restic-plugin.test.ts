import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { plugin } from './restic-plugin.ts'

it('makes repositories of this kind on an uploader, which it does not touch', () => {
  const uploader = createMemoryUploader({ destination: 'memory://place' })
  const repository = plugin.create(uploader, { password: 'x', cacheDirectory: false })
  expect(plugin).toMatchObject({ contract: 'repository-plugin/1', kind: 'restic' })
  expect(repository).toMatchObject({ contract: 'repository/1', destination: 'memory://place' })
  expect(Object.values(uploader.calls)).toEqual([0, 0, 0, 0, 0])
})

it('refuses settings that are none', () => {
  expect(() => plugin.create(createMemoryUploader(), { password: 'x', uploader: 'y' })).toThrow(
    expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringContaining('uploader') }),
  )
  expect(() => plugin.create(createMemoryUploader(), undefined)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
})
