import { type CommandRunner, commandRunner, type OperationOptions } from '@backup-planet/core'
import type { BackupTool } from './backup-tool.ts'
import { toolFailure } from './tool-failures.ts'

/** Throws `NOT_FOUND` or `ACCESS_DENIED` when the program that unpacks cannot be started. */
export async function assertStreamTool(
  tool: BackupTool,
  options: Pick<OperationOptions, 'signal'> = {},
  runner: CommandRunner = commandRunner,
): Promise<void> {
  const result = await runner.run({ command: tool.stream, arguments: ['--help'], timeoutMs: 30_000 }, options)
  if (result.exitCode !== 0) throw toolFailure(tool.stream, 'printing its help', result)
}
