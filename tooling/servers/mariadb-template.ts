import { createHash } from 'node:crypto'
import { lstat, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processOutput } from './process-output.ts'

export interface MariadbProgram {
  readonly path: string
  readonly version: string
}

/** Debian keeps the server outside of the PATH of ordinary users. */
const places = ['mariadbd', '/usr/sbin/mariadbd', '/usr/local/sbin/mariadbd']

/** Finds `mariadbd` and its version. Throws an Error that names the Debian package when there is none. */
export async function findMariadb(): Promise<MariadbProgram> {
  for (const path of places) {
    try {
      return { path, version: (await processOutput(path, ['--no-defaults', '--version'])).toString('utf8').trim() }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw new Error('there is no mariadbd on this machine: install the Debian package mariadb-server (its service need not run)')
}

/**
 * Fills `dataDirectory` with the system tables of a new server. They are made once per server version and copied afterwards.
 * Safe when several processes begin at once: the template appears by one rename.
 */
export async function copyMariadbTemplate(program: MariadbProgram, dataDirectory: string): Promise<void> {
  const template = await mariadbTemplate(program)
  await processOutput('cp', ['-a', '--sparse=always', '--reflink=auto', template, dataDirectory])
}

async function mariadbTemplate(program: MariadbProgram): Promise<string> {
  const identity = createHash('sha256').update(`2 ${program.path} ${program.version} ${process.getuid?.()}`).digest('hex').slice(0, 16)
  const template = join(tmpdir(), `bp-mariadb-template-${identity}`)
  if (await isOurs(template)) return template
  const fresh = await mkdtemp(join(tmpdir(), 'bp-mariadb-template-new-'))
  try {
    await processOutput('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${fresh}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      '--innodb-log-file-size=48M',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ])
    await rename(fresh, template)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    if (!(await isOurs(template))) throw error
  }
  return template
}

/** A folder with a known name in a shared place is only trusted when nobody else could have put it there. */
async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return false
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new Error(`${path} is not a private folder of this user: remove it`)
  }
  return true
}
