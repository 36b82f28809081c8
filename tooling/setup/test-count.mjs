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
 * Tests that read real sample files name the variable that says where those are; the folder is not part of this repository,
 * and without the variable it is looked for beside the checkout.
 */
export function isForgivenSkip(test) {
  const folder = process.env.BACKUP_PLANET_FIXTURES ?? join(repositoryRoot, '..', 'shared', 'fixtures')
  return readFileSync(test.file, 'utf8').includes('BACKUP_PLANET_FIXTURES') && !existsSync(folder)
}
