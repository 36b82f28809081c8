import { describe, expect, it } from 'vitest'
import { saysCompleted, toolFailure } from './tool-failures.ts'

/** As the tools print it; the first ones were seen on mariadb-backup 10.11.18. */
const said: readonly (readonly [code: string, stderr: string])[] = [
  [
    'WRONG_CREDENTIALS',
    "[00] 2026-01-01 01:57:41 Failed to connect to MariaDB server: Access denied for user 'b'@'localhost' (using password: YES).",
  ],
  [
    'UNREACHABLE',
    "[00] 2026-01-01 01:57:41 Failed to connect to MariaDB server: Can't connect to local server through socket '/tmp/none.sock' (2 \"No such file or directory\").",
  ],
  [
    'OUT_OF_SPACE',
    'mariadb-backup: Error writing file \'UNKNOWN\' (errno: 28 "No space left on device")\n[00] FATAL ERROR: 2026-01-01 01:57:41 mariabackup: Error: failed to copy datafile.',
  ],
  ['ACCESS_DENIED', "[00] 2026-01-01 01:57:41 Can't open './shop/t.frm' (errno: 13 \"Permission denied\")"],
  [
    'ACCESS_DENIED',
    'xtrabackup: Error: failed to execute query BACKUP: Access denied; you need (at least one of) the RELOAD privilege(s) for this operation',
  ],
  ['INCONSISTENT', 'mariabackup: error: log block numbers mismatch: the log copying being too slow'],
  [
    'CORRUPTED',
    "mariabackup: error: This incremental backup seems not to be proper for the target. Check 'to_lsn' of the target and 'from_lsn' of the incremental.",
  ],
  ['APPLICATION', 'something that nobody has seen'],
]

describe('what a tool failed with', () => {
  it.each(said)('is %s, by what it says', (code, stderr) => {
    const error = toolFailure('mariadb-backup', 'copying the server', { exitCode: 1, signal: null, stderr })
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/^mariadb-backup failed with exit code 1 while copying the server: /)
    expect(error.hint).toMatch(/\.$/)
  })

  it('is bounded, and names the line that decides', () => {
    const noise = Array.from({ length: 1000 }, (_, index) => `[01] 2026-01-01 01:57:41 Streaming ./shop/t${index}.ibd to <STDOUT>`)
    const { message } = toolFailure('xtrabackup', 'copying', {
      exitCode: 1,
      signal: null,
      stderr: [...noise, "errno: 28 - 'No space'", 'bye'].join('\n'),
    })
    expect(message.length).toBeLessThan(700)
    expect(message).toContain('errno: 28')
  })

  it('names the signal that ended it, whatever it said before', () => {
    const error = toolFailure('mariadb-backup', 'copying', { exitCode: null, signal: 'SIGKILL', stderr: 'Permission denied' })
    expect(error).toMatchObject({ code: 'APPLICATION', message: expect.stringContaining('was ended by SIGKILL') })
  })

  it('is complete only when the last line says so', () => {
    expect(saysCompleted('[00] 2026-01-01 01:56:50 completed OK!\n')).toBe(true)
    expect(saysCompleted('completed OK!\n[00] 2026-01-01 01:56:50 mariabackup: error\n')).toBe(false)
    expect(saysCompleted('')).toBe(false)
    expect(toolFailure('mariadb-backup', 'copying', { exitCode: 0, signal: null, stderr: 'half' }).message).toContain(
      'without saying that it is complete',
    )
  })
})
