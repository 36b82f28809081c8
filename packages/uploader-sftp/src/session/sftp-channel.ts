import { BackupError } from '@backup-planet/core'
import type { SFTPWrapper } from 'ssh2'
import { connectError } from '../sftp-errors.ts'
import type { SshConnection } from '../ssh/ssh-connection.ts'

/** Opens a channel for SFTP on a connection. */
export function openChannel(connection: SshConnection, where: string, timeoutSeconds: number): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(connectError(Object.assign(new Error('the server opens no SFTP channel'), { level: 'client-timeout' }), where, timeoutSeconds))
    }, timeoutSeconds * 1000)
    connection.onLost(reject)
    connection.client.sftp((error, sftp) => {
      clearTimeout(timer)
      if (error === undefined || error === null) resolve(sftp)
      else reject(noSubsystem(error, where, timeoutSeconds))
    })
  })
}

/** RFC 4254, 5.1: OpenSSH gives this reason for a session beyond MaxSessions. */
const connectFailed = 2

function noSubsystem(error: Error, where: string, timeoutSeconds: number): BackupError {
  if ((error as { reason?: unknown }).reason === connectFailed) {
    return new BackupError(`${where} lets this user in and opens no session: ${error.message}`, {
      code: 'OVERLOADED',
      hint: 'The server takes no more sessions on a connection: raise MaxSessions in its sshd_config, which must be 1 at least.',
      cause: error,
    })
  }
  if (!/Unable to start subsystem|exit code|session termination/i.test(error.message)) return connectError(error, where, timeoutSeconds)
  return new BackupError(`${where} lets this user in and offers no SFTP: ${error.message}`, {
    code: 'UNSUPPORTED',
    hint: 'Switch SFTP on there (Subsystem sftp internal-sftp in sshd_config); a shell that prints something when it starts breaks it too.',
    cause: error,
  })
}

export function channelClosed(where: string): BackupError {
  return new BackupError(`the SFTP server at ${where} has ended its channel`, {
    code: 'UNREACHABLE',
    hint: 'Look at the log of the server for why; what was interrupted can be done again and goes on where it stopped.',
  })
}

export function noAnswer(where: string): BackupError {
  return new BackupError(`the SFTP server at ${where} answers nothing any more`, {
    code: 'TIMED_OUT',
    hint: 'Check the network and the disk of the server; what was interrupted can be done again and goes on where it stopped.',
  })
}
