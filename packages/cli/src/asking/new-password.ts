import { readFile } from 'node:fs/promises'
import type { CommandContext } from '../command-context.ts'
import { UsageError } from '../usage-error.ts'
import { askInSecret, canAsk } from './operator-answer.ts'

/**
 * A new password: the only line of a file, or typed twice. It is masked in everything that is printed from then on. Throws a `UsageError` when
 * nobody can be asked, when what was typed differs, and for what restic would read as another password than it is.
 */
export async function readNewPassword(file: string | undefined, context: CommandContext): Promise<string> {
  const password = file === undefined ? await typedTwice(context) : await fromFile(file)
  context.mask.remember(password)
  assertUsable(password, file)
  return password
}

async function typedTwice(context: CommandContext): Promise<string> {
  if (!canAsk(context)) {
    throw new UsageError(
      'a new password is needed, and nobody can be asked',
      'Write it into a file that only you can read, and name that with --new-password-file FILE.',
    )
  }
  const [first = '', second = ''] = await askInSecret(['New password: ', 'The same again: '], context)
  if (first === second) return first
  throw new UsageError('the two passwords differ; nothing was changed', 'Start again and type the same password twice.')
}

async function fromFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw new UsageError(
      `the file ${file} of the new password cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      'Create it with the password as its only line, readable for you and nobody else.',
    )
  }
}

/** restic takes the text of a password file without the blanks around it. */
function assertUsable(password: string, file: string | undefined): void {
  const where = file === undefined ? 'the new password' : `the new password in ${file}`
  if (password === '') throw new UsageError(`${where} is empty; nothing was changed`, 'Choose a password that nobody can guess.')
  if (password === password.trim() && !/[\r\n]/.test(password)) return
  throw new UsageError(
    `${where} has more than one line, or blanks at its beginning or end; nothing was changed`,
    'Choose one without: restic reads password files without the blanks around them, and would not open the repository with it.',
  )
}
