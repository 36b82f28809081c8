import { lstat, open, opendir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, throwIfAborted } from '@backup-planet/core'
import { atPlace } from './place-errors.ts'

/** What the tool reads from the copy as its own settings when it prepares. */
const settingsFile = 'backup-my.cnf'

/**
 * Looks at everything that was unpacked before a tool works on it: only files and directories, nothing that leads out of the directory, no setting that would make the tool load a plugin or write elsewhere.
 * Throws `INVALID_INPUT` or `UNSUPPORTED`.
 */
export async function assertOnlyData(
  directory: string,
  options: { readonly trustSettings: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  for await (const { path, name } of filesBelow(directory, options.signal)) {
    // An .isl file names the place of a tablespace outside of the data directory, and the tool would write there.
    if (name.endsWith('.isl')) {
      throw new BackupError(
        `the backup holds ${path.slice(directory.length + 1)}, a table with DATA DIRECTORY outside of the data directory`,
        {
          code: 'UNSUPPORTED',
          hint: 'Nothing was replaced. Restore by hand with --copy-back, which writes to the directories that the .isl files name, or restore a logical backup.',
        },
      )
    }
  }
  if (!options.trustSettings) await refuseReaching(directory)
}

/** What the tools write by themselves: numbers and names of files in the directory itself. */
const harmless =
  /^(?:#.*|\[mysqld\]|(?:innodb_[a-z_]+|redo_log_version|server_id|server_uuid|master_key_id)\s*=\s*(?:\.\/|[\w:;+ -]|\.(?!\.))*)?$/

async function refuseReaching(directory: string): Promise<void> {
  const text = await readFile(join(directory, settingsFile), 'latin1').catch(() => '')
  const line = text.split('\n').find((candidate) => !harmless.test(candidate.trim()))
  if (line === undefined) return
  throw new BackupError(`the backup gives the tool a setting that may reach beyond the directory: ${line.trim().slice(0, 100)}`, {
    code: 'UNSUPPORTED',
    hint: 'Nothing was replaced. A server with encrypted tables or directories of its own needs this: set the option trustSettings if nobody else could have written to the backup.',
  })
}

/** Hands everything to the owner and makes it survive a power cut. */
export async function settleFiles(
  directory: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const settle = (path: string): Promise<void> =>
    atPlace('give away', path, async () => {
      const file = await open(path, 'r')
      try {
        if (owner !== undefined) await file.chown(owner.uid, owner.gid)
        await file.sync()
      } finally {
        await file.close()
      }
    })
  for await (const { path } of filesBelow(directory, signal)) await settle(path)
  await settle(directory)
}

/** Files and directories, a directory after what is in it. Throws `INVALID_INPUT` for links and devices. */
async function* filesBelow(
  directory: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly path: string; readonly name: string }> {
  for await (const entry of await opendir(directory)) {
    throwIfAborted(signal, 'looking at what was unpacked')
    const path = join(directory, entry.name)
    const facts = await lstat(path)
    if (facts.isDirectory()) yield* filesBelow(path, signal)
    else if (!facts.isFile() || facts.nlink > 1) {
      throw new BackupError(`the backup unpacked ${JSON.stringify(path.slice(0, 300))}, which is no ordinary file`, {
        code: 'INVALID_INPUT',
        hint: 'Nothing was replaced. The backup was tampered with or damaged; use another one.',
      })
    }
    yield { path, name: entry.name }
  }
}
