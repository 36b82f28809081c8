#!/usr/bin/env node
// Runs on the machine's own Node (20 or newer) before anything is installed, so it and its neighbours are plain JavaScript
// without dependencies: from a fresh clone, `npm test` and the other commands bring everything they need and then do their work.
import { join } from 'node:path'
import { benchmarkCalls, benchmarks, benchmarkTools } from './benchmarks.mjs'
import { buildPackages } from './build-packages.mjs'
import { exitAs, runInForeground } from './command.mjs'
import { installDebianPackages } from './debian-packages.mjs'
import { installPackages } from './install-packages.mjs'
import { ownNode, ownNodeEnvironment, ownNodePath } from './own-node.mjs'
import { realServerCall, realServers, testRealServers } from './real-servers.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { runTests } from './run-tests.mjs'
import { SetupFailure } from './setup-step.mjs'
import { aptPackages, missingTools, reportMissingTools } from './system-tools.mjs'

const cephTools = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph']
const sftpTools = ['sshd', 'ssh-keygen', 'proftpd', 'mod_sftp.so']
const testTools = [
  'mariadbd',
  'mariadb-backup',
  'zstd',
  'age',
  'unzip',
  'mydumper',
  'restic',
  'fusermount',
  'chromium',
  ...sftpTools,
  ...cephTools,
]
const benchTools = ['mariadbd', 'zstd', 'mydumper', 'restic', 'rclone', 'sshd', ...cephTools]

const verbs = {
  quickstart: { tools: ['mariadbd'], required: ['mariadbd'], script: 'tooling/quickstart/quickstart.ts' },
  test: { tools: testTools, required: [] },
  sweep: { tools: testTools, required: [] },
  e2e: { tools: ['zstd'], required: [] },
  check: { tools: ['mariadbd', ...cephTools], required: ['mariadbd', ...cephTools], build: true, script: 'tooling/check/check.ts' },
  bench: { tools: benchTools, required: ['mariadbd'], build: true },
  'backup-planet': { tools: [], required: [], script: 'packages/cli/src/main.ts', quiet: true },
}

async function main() {
  const [verb = '', ...commandArguments] = process.argv.slice(2)
  const recipe = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
  if (recipe === undefined) {
    process.stderr.write(`usage: node tooling/setup/run.mjs ${Object.keys(verbs).join(' | ')}\n`)
    return 2
  }
  if (Number.parseInt(process.versions.node, 10) < 20) {
    process.stderr.write(
      `Node 20 or newer is needed to set up; this is ${process.versions.node}. https://nodejs.org has one for every system.\n`,
    )
    return 1
  }
  const calls = verb === 'bench' ? benchmarkCalls(commandArguments) : [{ script: recipe.script, commandArguments }]
  if (calls === undefined) {
    process.stderr.write(`usage: npm run bench [-- ${Object.keys(benchmarks).join(' | ')}]\n`)
    return 2
  }
  const onRealServers = verb === 'e2e' ? realServerCall(commandArguments) : undefined
  if (verb === 'e2e' && onRealServers === undefined) {
    process.stderr.write(`usage: npm run test:e2e [-- ${realServers.join(' | ')}]\n`)
    return 2
  }
  const quiet = recipe.quiet === true
  await installPackages({ quiet })
  await ownNode({ quiet })
  await bringTools(verb === 'bench' ? { ...recipe, tools: [...recipe.tools, ...benchmarkTools(commandArguments)] } : recipe)
  if (recipe.build === true) await buildPackages({ quiet })
  if (onRealServers !== undefined) return testRealServers(onRealServers)
  if (verb === 'test' || verb === 'sweep') return runTests(verb, commandArguments)
  for (const call of calls) {
    const code = await runScript(call, quiet)
    if (code !== 0) return code
  }
  return 0
}

async function runScript({ script, commandArguments, environment }, quiet) {
  const ended = await runInForeground(
    ownNodePath,
    ['--conditions=@backup-planet/source', '--disable-warning=ExperimentalWarning', join(repositoryRoot, script), ...commandArguments],
    // The command's own paths are relative to where its user stands, which npm hands down.
    { environment: ownNodeEnvironment(environment), directory: quiet ? (process.env.INIT_CWD ?? process.cwd()) : repositoryRoot },
  )
  return exitAs(ended)
}

/** Brings the database servers and tools of other people that a verb uses, where this machine lets us. */
async function bringTools({ tools, required }) {
  const missing = missingTools(tools)
  if (missing.length === 0) return
  if (await installDebianPackages(aptPackages(missing))) {
    const stillMissing = missingTools(tools)
    if (stillMissing.length === 0) return
  }
  reportMissingTools(missingTools(tools), required)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  process.stderr.write(`\n${error.message}\n`)
  process.exitCode = error.exitCode
}
