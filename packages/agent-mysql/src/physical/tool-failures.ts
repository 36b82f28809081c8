import { BackupError, type CommandResult, type FailureCode } from '@backup-planet/core'

interface KnownFailure {
  readonly pattern: RegExp
  readonly code: FailureCode
  readonly hint: string
  readonly retryable?: true
}

/** What the tools print before they give up → code and hint. Sources: the messages in the sources of mariadb-backup 10.11 and Percona XtraBackup 8.0. */
const knownFailures: readonly KnownFailure[] = [
  {
    pattern: /No space left on device|errno: 28\b|Disk quota exceeded|errno: 122\b/i,
    code: 'OUT_OF_SPACE',
    hint: 'Free disk space where the tool writes, then run again.',
  },
  {
    pattern: /Access denied for user/i,
    code: 'WRONG_CREDENTIALS',
    hint: 'Check user, password and the host part of the account, and that an option file of the tool does not say others.',
  },
  {
    pattern: /access denied; you need|missing required privilege|GRANT .* privilege/i,
    code: 'ACCESS_DENIED',
    hint: 'Run the check of this job: it names the missing rights and the exact GRANT statement.',
  },
  {
    pattern: /Can't connect to|Lost connection to|server has gone away|Server shutdown in progress/i,
    code: 'UNREACHABLE',
    hint: 'Look at the error log of the server: it was stopped or restarted, or ended the connection. Then run again.',
  },
  {
    pattern:
      /log copying being too slow|Was only able to copy log|log block (?:numbers|no)|redo log .* (?:overwritten|wrapped)|size of transaction log files/i,
    code: 'INCONSISTENT',
    retryable: true,
    hint: 'The server overwrote its redo log before it was copied. Raise innodb_log_file_size (MySQL: innodb_redo_log_capacity), run at a quieter time, or give the staging more room.',
  },
  {
    pattern: /Permission denied|errno: 13\b/i,
    code: 'ACCESS_DENIED',
    hint: 'Run the backup as a user that may read the data directory of the server, such as mysql or root.',
  },
  {
    pattern:
      /Unsupported (?:server version|redo log format)|is not supported by this release|was created with (?:MySQL|MariaDB)|Upgrade after a crash is not supported/i,
    code: 'UNSUPPORTED',
    hint: 'Use the tool of the same version as the server.',
  },
  {
    pattern: /Lock wait timeout|Unable to obtain lock|timeout.* waiting for/i,
    code: 'TIMED_OUT',
    hint: 'Other sessions held the lock: look at SHOW FULL PROCESSLIST, and run at a quieter time.',
  },
  {
    pattern:
      /seems not to be proper for the target|seems to be not prepared|page corruption|is corrupted|checksum mismatch|invalid checksum|wrong chunk magic/i,
    code: 'CORRUPTED',
    hint: 'Look at the messages: a file of the server or of the backup is damaged. Run CHECK TABLE on the server, or restore from another backup.',
  },
]

/** Bounds of what goes into a message. */
const shownLines = 4
const shownCharacters = 600

/** Why a tool that did not say `completed OK!` gave up. `stderr` holds no secret: the runner has masked it. */
export function toolFailure(program: string, during: string, result: Pick<CommandResult, 'exitCode' | 'signal' | 'stderr'>): BackupError {
  const lines = result.stderr
    .split('\n')
    .map((line) => line.replace(/^(?:\[\d\d\] )?\d{4}-\d\d-\d\d(?: +|T)[\d:.+-]+Z? (?:\d+ )?/, '').trim())
    .filter((line) => line !== '' && line !== '...done')
  const known =
    result.signal === null ? knownFailures.find(({ pattern }) => lines.slice(-40).some((line) => pattern.test(line))) : undefined
  const named = known === undefined ? undefined : lines.findLast((line) => known.pattern.test(line))
  const said = [...new Set([...(named === undefined ? [] : [named]), ...lines.slice(-shownLines)])].join(' | ').slice(0, shownCharacters)
  const end =
    result.signal !== null
      ? `was ended by ${result.signal}`
      : result.exitCode === 0
        ? 'ended without saying that it is complete'
        : `failed with exit code ${result.exitCode}`
  return new BackupError(`${program} ${end} while ${during}${said === '' ? '' : `: ${said}`}`, {
    code: known?.code ?? 'APPLICATION',
    ...(known?.retryable === true ? { retryable: true } : {}),
    hint:
      known?.hint ??
      (result.signal !== null
        ? 'Somebody or the system ended the tool: look at the system log, such as for the OOM killer, and run again.'
        : `Look at what ${program} says, and at the error log of the server, then run again.`),
  })
}

/** What both tools print last of all, on success only. */
export function saysCompleted(stderr: string): boolean {
  return stderr.trimEnd().split('\n').at(-1)?.includes('completed OK!') === true
}
