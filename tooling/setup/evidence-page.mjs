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
 * Puts the rows of the tests that ran into \`docs/evidence.md\`; rows of others stay as they are.
 *
 * @param report vitest's JSON report
 * @param environment the counts and the seed that the tests were given
 * @param figuresFile JSON lines of \`{ test, figures }\`
 */
export function writeEvidence(report, environment, figuresFile, today = new Date()) {
  const figures = existsSync(figuresFile)
    ? readFileSync(figuresFile, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    : []
  const rows = new Map(earlierRows())
  for (const file of report.testResults) {
    const test = relative(repositoryRoot, file.name).replaceAll('\\', '/')
    const sweep = sweeps.find((candidate) => candidate.test === test)
    if (sweep === undefined) continue
    const failed = file.assertionResults.filter((result) => result.status === 'failed').length
    const result = file.status === 'passed' && failed === 0 ? 'passed' : `**${failed} failed**`
    const seconds = Math.round((file.endTime - file.startTime) / 1000)
    const seen = figures.filter((line) => line.test === test).flatMap((line) => Object.entries(line.figures))
    const figureText = seen.map(([name, value]) => `${name}: ${value}`).join(', ')
    const cells = [
      `[${sweep.says}](../${test})`,
      environment[sweep.variable],
      result,
      environment.BACKUP_PLANET_SEED,
      seconds,
      today.toISOString().slice(0, 10),
      figureText,
    ]
    rows.set(test, `| ${cells.join(' | ')} |`)
  }
  const lines = sweeps.map(({ test }) => rows.get(test)).filter((row) => row !== undefined)
  writeFileSync(page, `${head}${lines.join('\n')}\n`)
}

function earlierRows() {
  if (!existsSync(page)) return []
  const lines = readFileSync(page, 'utf8').split('\n')
  return sweeps.flatMap(({ test }) => {
    const row = lines.find((line) => line.startsWith('|') && line.includes(`](../${test})`))
    return row === undefined ? [] : [[test, row]]
  })
}
