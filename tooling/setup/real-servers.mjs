import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { runQuietly } from './command.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { runTests } from './run-tests.mjs'
import { SetupFailure, setupStep } from './setup-step.mjs'

/** Services of compose.yaml that `npm run test:e2e` runs its suite on. */
export const realServers = ['mysql-8.4', 'mysql-9', 'mariadb-11.8']

/** What of the tests with servers runs on any server that `BACKUP_PLANET_E2E_MYSQL` names. */
export const anyServerSuite = 'packages/agent-mysql/e2e/any-server'

/** Which servers and what of vitest was asked for; without a server all. `undefined` for a server that is not there. */
export function realServerCall(words) {
  const split = words.findIndex((word) => word.startsWith('-'))
  const named = split < 0 ? words : words.slice(0, split)
  if (named.some((name) => !realServers.includes(name))) return undefined
  return { servers: named.length === 0 ? realServers : named, vitestArguments: split < 0 ? [] : words.slice(split) }
}

/** Arguments of `docker`; the project is of this process alone, so that two runs do not meet. */
export function composeArguments(action, service, project = `backup-planet-e2e-${process.pid}`) {
  const compose = ['compose', '--file', join(repositoryRoot, 'compose.yaml'), '--project-name', project]
  switch (action) {
    case 'up':
      return [...compose, 'up', '--detach', '--wait', '--quiet-pull', service]
    case 'port':
      return [...compose, 'port', service, '3306']
    case 'logs':
      return [...compose, 'logs', '--tail', '40', service]
    case 'down':
      return [...compose, 'down', '--volumes', '--timeout', '5']
    default:
      throw new Error(`there is no ${action}`)
  }
}

/** Of `docker compose port`: `host:port`. */
export function publishedAddress(output) {
  const [, port] = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::\]):(\d+)$/m.exec(output.trim()) ?? []
  if (port === undefined) throw new SetupFailure(`Docker does not say where the server listens: ${output.trim()}`)
  return `127.0.0.1:${port}`
}

/**
 * Runs the suite on each of these servers in turn; resolves with the exit code of the first run that failed, else 0. Throws `SetupFailure` where there is no
 * Docker with Compose: then nothing has run, and a run that proves nothing must not look like one that succeeded.
 *
 * @param docker the program
 */
export async function testRealServers({ servers, vitestArguments }, { docker = 'docker', run = runTests } = {}) {
  const found = await runQuietly(docker, ['compose', 'version'])
  if (found.code !== 0) {
    throw new SetupFailure(
      `npm run test:e2e needs Docker with Compose for real MySQL servers (${servers.join(', ')}), and there is none here: nothing was tested.\n\n` +
        `  docker compose version\n    ${found.output.trim().split('\n')[0]}\n\n` +
        '  To install: https://docs.docker.com/engine/install\n' +
        `  On a server that you run yourself: BACKUP_PLANET_E2E_MYSQL=host:port BACKUP_PLANET_E2E_PASSWORD=… npm test -- ${anyServerSuite}\n` +
        '  (root, with binlogs; its schemas are dropped)',
    )
  }
  let failed = 0
  for (const service of servers) failed ||= await testOn(service, vitestArguments, { docker, run })
  return failed
}

async function testOn(service, vitestArguments, { docker, run }) {
  const password = randomBytes(15).toString('base64url')
  const environment = { ...process.env, BACKUP_PLANET_E2E_PASSWORD: password }
  const compose = (action) => runQuietly(docker, composeArguments(action, service), { environment })
  try {
    let address = ''
    await setupStep(`server ${service}`, {}, async () => {
      const up = await compose('up')
      if (up.code !== 0) throw new SetupFailure(`${service} did not start.\n\n${up.output}\n${(await compose('logs')).output}`)
      address = publishedAddress((await compose('port')).output)
      return `listens on ${address}`
    })
    const asked = { BACKUP_PLANET_E2E_MYSQL: address, BACKUP_PLANET_E2E_PASSWORD: password }
    return await run('e2e', [anyServerSuite, ...vitestArguments], asked)
  } finally {
    await compose('down')
  }
}
