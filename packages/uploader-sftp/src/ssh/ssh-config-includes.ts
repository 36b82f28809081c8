import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, parse, resolve } from 'node:path'
import { BackupError } from '@backup-planet/core'

const deepestInclude = 16

/**
 * The text of an ssh_config(5) with that of the files it includes in their places: names and patterns of glob(7), relative ones beside
 * the first file, which for that of a user is `~/.ssh`. As with ssh a file that is missing is no error, and a section ends with the file it is
 * in. Throws `INVALID_SETTINGS` for one that exists and cannot be read.
 */
export async function readWithIncludes(path: string): Promise<string> {
  return await textOf(await read(path), dirname(path), 'Host *', 1)
}

/** `begun` is the section that the first lines belong to. */
async function textOf(text: string, beside: string, begun: string, depth: number): Promise<string> {
  const lines: string[] = []
  let section = begun
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(Host|Match)[\s=]/i.test(line)) section = line
    const included = /^\s*Include(?:\s*=\s*|\s+)(.+?)\s*$/i.exec(line)?.[1]
    if (included === undefined) {
      lines.push(line)
      continue
    }
    if (depth > deepestInclude) throw tooDeep(line)
    for (const file of await filesOf(included, beside)) {
      const text = await readIncluded(file)
      if (text !== undefined) lines.push(await textOf(text, beside, section, depth + 1))
    }
    // What follows belongs to the section of this file again.
    lines.push(section)
  }
  return lines.join('\n')
}

async function filesOf(included: string, beside: string): Promise<string[]> {
  const names = included.match(/"[^"]*"|\S+/g) ?? []
  const found = names.map((name) => {
    const plain = name.replace(/^"|"$/g, '')
    return matching(plain.startsWith('~/') ? resolve(homedir(), plain.slice(2)) : resolve(beside, plain))
  })
  return (await Promise.all(found)).flat()
}

/** What a pattern of glob(7) stands for, in order; `*` and `?` stand for no dot at the beginning of a name. */
async function matching(pattern: string): Promise<string[]> {
  const { root } = parse(pattern)
  let paths = [root]
  for (const segment of pattern.slice(root.length).split(/[/\\]/)) {
    if (!/[*?[]/.test(segment)) {
      paths = paths.map((path) => join(path, segment))
      continue
    }
    const isMatch = matcherOf(segment)
    const below = await Promise.all(
      paths.map(async (folder) => (await namesIn(folder)).filter((name) => isMatch.test(name)).map((name) => join(folder, name))),
    )
    paths = below.flat()
  }
  return paths
}

function matcherOf(segment: string): RegExp {
  const translated = segment.replace(
    /\[([!^]?)([^\]]+)\]|\*|\?|[.+^${}()|[\]\\]/g,
    (part, not: string | undefined, set: string | undefined) => {
      if (set !== undefined) return `[${not === '' ? '' : '^'}${set.replace(/[\\^[]/g, '\\$&')}]`
      return part === '*' ? '.*' : part === '?' ? '.' : `\\${part}`
    },
  )
  return new RegExp(`^${segment.startsWith('.') ? '' : '(?!\\.)'}${translated}$`, 's')
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw unreadable(folder, error)
  }
}

async function readIncluded(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    // A folder that a pattern stands for has nothing to say, as with ssh.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return undefined
    throw unreadable(path, error)
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

function unreadable(path: string, cause: unknown): BackupError {
  return new BackupError(`the ssh configuration ${path} cannot be read: ${(cause as Error).message}`, {
    code: 'INVALID_SETTINGS',
    hint: 'Let this user read it, correct sshConfig or the Include, or leave sshConfig out and give host, user and key in the settings.',
    cause,
  })
}

function tooDeep(line: string): BackupError {
  return new BackupError(`the ssh configuration includes files more than ${deepestInclude} deep: ${line.trim()}`, {
    code: 'INVALID_SETTINGS',
    hint: 'Correct the Include: most likely a file includes itself.',
  })
}
