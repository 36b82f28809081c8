import { readFile } from 'node:fs/promises'
import { createRequire, findPackageJSON } from 'node:module'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * The exports of a package or file as seen from the first of `directories` that has it; `undefined` when none has.
 * Throws what the module itself throws while it is loaded.
 *
 * @param specifier a package name, an absolute path, or a path that begins with a dot
 */
export async function importFrom(
  specifier: string,
  directories: readonly string[],
): Promise<Readonly<Record<string, unknown>> | undefined> {
  for (const directory of directories) {
    const file = await resolveFrom(specifier, directory)
    if (file !== undefined) return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  }
  return undefined
}

async function resolveFrom(specifier: string, directory: string): Promise<string | undefined> {
  const base = join(directory, 'resolve-from-here.js')
  try {
    return createRequire(base).resolve(specifier.startsWith('file:') ? fileURLToPath(specifier) : specifier)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'MODULE_NOT_FOUND') return undefined
    if (code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error
    return isAbsolute(specifier) || specifier.startsWith('.') ? undefined : importEntry(specifier, base)
  }
}

/** For packages that only offer the condition `import`, which `require.resolve` does not look at. */
async function importEntry(name: string, base: string): Promise<string | undefined> {
  const description = findPackageJSON(name, pathToFileURL(base))
  if (description === undefined) return undefined
  const { exports } = JSON.parse(await readFile(description, 'utf8')) as { exports?: unknown }
  const root = typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports
  const entry = entryOf(root)
  return entry === undefined ? undefined : resolve(dirname(description), entry)
}

function entryOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) return undefined
  for (const [condition, value] of Object.entries(target)) {
    if (!['import', 'node', 'default'].includes(condition)) continue
    const entry = entryOf(value)
    if (entry !== undefined) return entry
  }
  return undefined
}
