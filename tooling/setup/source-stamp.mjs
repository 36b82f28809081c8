import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { cacheDirectory, repositoryRoot } from './repository-root.mjs'

/** A hash over the names and contents of files; a file that is not there counts as absent. */
export function hashFiles(paths) {
  const hash = createHash('sha256')
  for (const path of [...paths].sort()) {
    hash.update(`${relative(repositoryRoot, path)}\0`)
    hash.update(contentOf(path) ?? 'absent')
    hash.update('\0')
  }
  return hash.digest('hex')
}

/** Every file below a folder, without what is built or installed. */
export function filesBelow(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return ['node_modules', 'dist', '.turbo'].includes(entry.name) ? [] : filesBelow(path)
    return [path]
  })
}

/** The folders of the workspace that have a package of their own. */
export function packageDirectories() {
  const packages = readdirSync(join(repositoryRoot, 'packages')).map((name) => join(repositoryRoot, 'packages', name))
  return packages.filter((directory) => contentOf(join(directory, 'package.json')) !== undefined)
}

export function readStamp(name) {
  return contentOf(join(cacheDirectory, 'setup', name))?.toString()
}

/** Written after a step has succeeded, so that a step that was cut is done again. */
export function writeStamp(name, value) {
  mkdirSync(join(cacheDirectory, 'setup'), { recursive: true })
  writeFileSync(join(cacheDirectory, 'setup', name), value)
}

function contentOf(path) {
  try {
    return readFileSync(path)
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  }
}
