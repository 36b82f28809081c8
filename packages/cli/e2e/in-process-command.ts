import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { runCommandLine } from '../src/index.ts'
import type { ChildResult } from './child-command.ts'

/** The command without a process of its own, which costs a second each: for what need not be killed. */
export async function inProcessCommand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  directory: string,
): Promise<ChildResult> {
  const written = { stdout: '', stderr: '' }
  const code = await runCommandLine(['--config', join(directory, 'backup-planet.yaml'), ...argv], {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    stdin: new PassThrough(),
    environment: { ...environment, HOME: directory, XDG_STATE_HOME: directory },
  })
  return { code, ...written }
}
