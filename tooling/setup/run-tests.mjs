import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { exitAs, runInForeground } from './command.mjs'
import { writeEvidence } from './evidence-page.mjs'
import { nodeEnvironment, testNodePath } from './own-node.mjs'
import { cacheDirectory, repositoryRoot } from './repository-root.mjs'
import { sweeps } from './sweeps.mjs'
import { countTests, forgivenSkip, skippedTests } from './test-count.mjs'

/**
 * Runs vitest and ends with one plain line, `N passed, N failed, N skipped`. Resolves with the exit code.
 * With `CI=true` a skipped test is a failure, so that nothing is left unproven in silence, except for what `forgivenSkip` names.
 * The tests run on the Node that `BACKUP_PLANET_NODE` names (an absolute path), else on our own.
 *
 * @param more variables of the environment of the tests
 */
export async function runTests(verb, vitestArguments, more = {}) {
  const results = join(cacheDirectory, `${verb}-results.json`)
  mkdirSync(cacheDirectory, { recursive: true })
  rmSync(results, { force: true })
  const figures = join(cacheDirectory, 'evidence.jsonl')
  rmSync(figures, { force: true })
  const asked = verb === 'sweep' ? sweepEnvironment(figures) : more
  // Threads and processes that tests start do not each strip the types of the same sources.
  const environment = nodeEnvironment(testNodePath, { NODE_COMPILE_CACHE: join(cacheDirectory, 'compiled'), ...asked })
  const ended = await runInForeground(
    testNodePath,
    [
      join(repositoryRoot, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${results}`,
      ...(verb === 'sweep' && vitestArguments.length === 0 ? sweeps.map(({ test }) => test) : vitestArguments),
    ],
    { environment },
  )
  const code = exitAs(ended)
  if (!existsSync(results)) {
    process.stdout.write(`\nvitest ended with ${code} and left no results.\n0 passed, 1 failed, 0 skipped\n`)
    return code || 1
  }
  const report = JSON.parse(readFileSync(results, 'utf8'))
  const count = countTests(report, code)
  if (verb === 'sweep') writeEvidence(report, asked, figures)
  const unforgiven = explainSkips(skippedTests(report))
  process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`)
  if (code !== 0) return code
  if (count.failed > 0 || count.passed === 0) return 1
  return process.env.CI === 'true' && unforgiven > 0 ? 1 : 0
}

function sweepEnvironment(figures) {
  const counts = Object.fromEntries(
    sweeps.flatMap(({ variable, count, more = {} }) => [[variable, String(count)], ...Object.entries(more)]),
  )
  const seed = String(randomInt(2 ** 31))
  return { ...counts, BACKUP_PLANET_SEED: seed, ...process.env, BACKUP_PLANET_EVIDENCE: figures }
}

function explainSkips(skipped) {
  if (skipped.length === 0) return 0
  const unforgiven = skipped.filter((test) => forgivenSkip(test) === undefined)
  process.stdout.write(`\n${skipped.length} skipped:\n`)
  for (const test of skipped) {
    const why = forgivenSkip(test) ?? 'see the test'
    process.stdout.write(`  ${relative(repositoryRoot, test.file)} · ${test.name} (${why})\n`)
  }
  if (process.env.CI === 'true' && unforgiven.length > 0) {
    process.stdout.write(`CI=true: ${unforgiven.length} skipped tests prove nothing, so this run fails.\n`)
  }
  return unforgiven.length
}
