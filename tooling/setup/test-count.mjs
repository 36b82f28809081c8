import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './repository-root.mjs'

/**
 * Counts of a run from vitest's JSON report. A file that could not be collected and an error outside of any test are
 * one failure each, although no test stands for them.
 */
export function countTests(report, exitCode) {
  const tests = report.testResults.flatMap((file) => file.assertionResults)
  const count = (...states) => tests.filter((test) => states.includes(test.status)).length
  const failedFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length
  const failed = count('failed') + failedFiles
  return {
    passed: count('passed'),
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: count('pending', 'skipped', 'todo', 'disabled'),
  }
}

/** Every test that did not run, with its file and full name. */
export function skippedTests(report) {
  return report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => ['pending', 'skipped', 'todo', 'disabled'].includes(test.status))
      .map((test) => ({ file: file.name, name: test.fullName })),
  )
}

/**
 * Why a skipped test is no gap here, in a few words; `undefined` where it is one. There are two reasons, and a test declares either in
 * its own file:
 *
 * - it reads real sample files: it names the variable that says where those are. They are not part of this repository, and without the
 *   variable they are looked for beside the checkout.
 * - on Windows only, it is of POSIX (modes, signals, links, mounts): it asks for `process.platform`.
 */
export function forgivenSkip(test, platform = process.platform) {
  const source = readFileSync(test.file, 'utf8')
  const folder = process.env.BACKUP_PLANET_FIXTURES ?? join(repositoryRoot, '..', 'shared', 'fixtures')
  if (source.includes('BACKUP_PLANET_FIXTURES') && !existsSync(folder)) return 'no folder of sample files here'
  if (platform === 'win32' && /process\.platform [!=]== '/.test(source)) return 'of POSIX, not of Windows'
  return undefined
}
