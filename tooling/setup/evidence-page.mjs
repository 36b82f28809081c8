import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { repositoryRoot } from './repository-root.mjs'
import { sweeps } from './sweeps.mjs'

const page = join(repositoryRoot, 'docs', 'evidence.md')
const head = `# Evidence

What \`npm run test:sweep\` saw: the long versions of the proofs that \`npm test\` does briefly. Each row can be repeated with its seed:
\`BACKUP_PLANET_SEED=<seed> npm run test:sweep -- <test>\`. A row is written only by a run of its own test, whatever the result.

| proof | repeated | result | seed | seconds | date | figures |
|---|---|---|---|---|---|---|
`

/**
 * Puts the rows of the tests that ran into `docs/evidence.md`; rows of others stay as they are.
 *
 * @param report vitest's JSON report
 * @param environment the counts and the seed that the tests were given
 * @param figuresFile JSON lines of `{ test, figures }`
 */
export function writeEvidence(report, environment, figuresFile) {
  const figures = readIfThere(figuresFile)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  writeFileSync(page, evidencePage(readIfThere(page), { report, environment, figures, today: new Date() }))
}

/** The text of the page after a run; `earlier` is its text before, empty where there is none. */
export function evidencePage(earlier, run) {
  const before = earlier.split('\n')
  const rows = sweeps.map((sweep) => {
    const file = run.report.testResults.find(({ name }) => relative(repositoryRoot, name).replaceAll('\\', '/') === sweep.test)
    return rowOf(sweep, file, run) ?? before.find((line) => line.startsWith('|') && line.includes(`](../${sweep.test})`))
  })
  return `${head}${rows
    .filter((row) => row !== undefined)
    .map((row) => `${row}\n`)
    .join('')}`
}

/** `undefined` where nothing of the test ran. */
function rowOf(sweep, file, { environment, figures, today }) {
  if (file === undefined) return undefined
  const count = (...states) => file.assertionResults.filter(({ status }) => states.includes(status)).length
  if (count('passed', 'failed') === 0 && file.status !== 'failed') return undefined
  const seen = figures.filter(({ test }) => test === sweep.test).flatMap((line) => Object.entries(line.figures))
  const cells = [
    `[${sweep.says}](../${sweep.test})`,
    environment[sweep.variable],
    resultOf(file, count),
    sweep.seeded === false ? '–' : environment.BACKUP_PLANET_SEED,
    Math.round((file.endTime - file.startTime) / 1000),
    today.toISOString().slice(0, 10),
    seen.map(([name, value]) => `${name}: ${value}`).join(', '),
  ]
  return `| ${cells.join(' | ')} |`
}

/** A part of a test is not the test: what did not run is said beside what passed. */
function resultOf(file, count) {
  const failed = count('failed')
  if (failed > 0) return `**${failed} failed**`
  if (file.status !== 'passed') return '**failed**'
  const left = file.assertionResults.length - count('passed')
  return left === 0 ? 'passed' : `passed, **${left} not run**`
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
