import { describe, expect, it } from 'vitest'
import { directoryUploaderPlugin } from './directory-uploader-plugin.ts'

describe('directoryUploaderPlugin', () => {
  it.each([
    ['http://host/path', 'does not begin with file://'],
    ['/var/backups', 'does not begin with file://'],
    ['', 'does not begin with file://'],
    ['file:/var/backups', 'does not begin with file://'],
    ['file://host/path', 'host or a relative path'],
    ['file://localhost/path', 'host or a relative path'],
    ['file://relative/path', 'host or a relative path'],
    ['file:///a/../b', '. or ..'],
    ['file:///a/%2e%2e/b', '. or ..'],
    ['file:///a%2Fb', 'encoded'],
    ['file:///a%00b', 'NUL'],
    ['file:///a?x=1', '%3F'],
    ['file:///a#b', '%23'],
    ['file:///a%', ''],
  ])('refuses %s', (destination, reason) => {
    expect(() => directoryUploaderPlugin.create(destination, {})).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringContaining(reason) as string }),
    )
  })

  it('refuses settings that it does not know, with the nearest it knows', () => {
    expect(() => directoryUploaderPlugin.create('file:///a', { createDirectoy: true })).toThrow('did you mean "createDirectory"?')
    expect(() => directoryUploaderPlugin.create('file:///a', { createDirectory: 'yes' })).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS' }),
    )
  })

  it('decodes the path and prints it encoded', () => {
    expect(directoryUploaderPlugin.create('file:///var/my%20backups/100%25/gr%C3%B6%C3%9Fe', undefined).destination).toBe(
      'file:///var/my%20backups/100%25/gr%C3%B6%C3%9Fe',
    )
    expect(directoryUploaderPlugin.create(directoryUploaderPlugin.exampleDestination, {}).destination).toBe(
      directoryUploaderPlugin.exampleDestination,
    )
  })
})
