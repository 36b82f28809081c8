import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readSshConfig } from './ssh-config-file.ts'

/** A folder with these files; resolves with the path of the one named `config`. */
async function configuration(files: Readonly<Record<string, string>>): Promise<{ readonly folder: string; readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-config-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return { folder, path: join(folder, 'config') }
}

const host = (alias: string, port: number): string => `Host ${alias}\n  Port ${port}\n`

async function portsIn(path: string, ...aliases: readonly string[]): Promise<(number | undefined)[]> {
  const read = await readSshConfig(path)
  return aliases.map((alias) => read.factsOf(alias, undefined).port)
}

describe('Include of an ssh configuration', () => {
  it('takes every file that a pattern stands for, in order, and no hidden one', async () => {
    const { path } = await configuration({
      config: 'Include config.d/*\n',
      'config.d/20-second': host('b', 20) + host('a', 21),
      'config.d/10-first': host('a', 10),
      'config.d/.hidden': host('c', 30),
      'config.d/folder/inner': host('d', 40),
    })
    expect(await portsIn(path, 'a', 'b', 'c', 'd')).toEqual([10, 20, undefined, undefined])
  })

  it('knows sets, single characters and patterns for folders, several at once, and names in quotation marks', async () => {
    const { path } = await configuration({
      config: 'Include d*/[ab].conf "with space/?.conf" d*/[!ab].cfg\n',
      'd1/a.conf': host('a', 1),
      'd2/b.conf': host('b', 2),
      'd2/c.conf': host('c', 3),
      'd2/axconf': host('x', 4),
      'with space/d.conf': host('d', 5),
      'd2/e.cfg': host('e', 6),
      'd2/b.cfg': host('f', 7),
    })
    expect(await portsIn(path, 'a', 'b', 'c', 'x', 'd', 'e', 'f')).toEqual([1, 2, undefined, undefined, 5, 6, undefined])
  })

  it('lets nothing of the file belong to a section of the included one', async () => {
    const { path } = await configuration({
      config: `Include one\nPort 7\nHost outer\n  Include two\n  User of-outer\n`,
      one: host('inner', 1),
      two: 'Host never\n  User nobody\n',
    })
    expect(await portsIn(path, 'inner', 'any')).toEqual([1, 7])
    expect((await readSshConfig(path)).factsOf('outer', undefined).user).toBe('of-outer')
  })

  it('looks beside the first file for what an included one includes', async () => {
    const { path } = await configuration({ config: 'Include d/one\n', 'd/one': 'Include two\n', two: host('a', 2), 'd/two': host('a', 9) })
    expect(await portsIn(path, 'a')).toEqual([2])
  })

  it('minds no file that is missing, and no pattern that stands for nothing', async () => {
    const { path } = await configuration({ config: `Include none none/* n*/x\n${host('a', 1)}` })
    expect(await portsIn(path, 'a')).toEqual([1])
  })

  it('refuses a file that is there and cannot be read, with its path', async () => {
    const { folder, path } = await configuration({ config: 'Include d/*\n', 'd/other': '' })
    // Nobody can read it, whatever rights this user has.
    await symlink('loop', join(folder, 'd', 'loop'))
    await expect(readSshConfig(path)).rejects.toMatchObject({
      code: 'INVALID_SETTINGS',
      message: expect.stringContaining(join(folder, 'd', 'loop')) as string,
      hint: expect.stringContaining('Include') as string,
    })
  })

  it('refuses a file that includes itself', async () => {
    const { path } = await configuration({ config: 'Include config\n' })
    await expect(readSshConfig(path)).rejects.toMatchObject({
      code: 'INVALID_SETTINGS',
      message: expect.stringContaining('deep') as string,
    })
  })
})
