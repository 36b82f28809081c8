import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { anyServerSuite, composeArguments, publishedAddress, realServerCall, realServers, testRealServers } from './real-servers.mjs'
import { repositoryRoot } from './repository-root.mjs'

interface Service {
  readonly image: string
  readonly command: readonly string[]
  readonly ports: readonly string[]
  readonly tmpfs: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly healthcheck: { readonly test: readonly string[] }
}

test('all servers are tested, or those that are named; what follows is for vitest', () => {
  expect(realServerCall([])).toEqual({ servers: realServers, vitestArguments: [] })
  expect(realServerCall(['mysql-9', '-t', 'accounts'])).toEqual({ servers: ['mysql-9'], vitestArguments: ['-t', 'accounts'] })
  expect(realServerCall(['mysql-4'])).toBeUndefined()
})

test('docker is told which file, project and server, and never a password', () => {
  const file = join(repositoryRoot, 'compose.yaml')
  expect(composeArguments('up', 'mysql-9', 'p')).toEqual([
    'compose',
    '--file',
    file,
    '--project-name',
    'p',
    'up',
    '--detach',
    '--wait',
    '--quiet-pull',
    'mysql-9',
  ])
  expect(composeArguments('port', 'mysql-9', 'p').slice(5)).toEqual(['port', 'mysql-9', '3306'])
  expect(composeArguments('down', 'mysql-9', 'p').slice(5)).toEqual(['down', '--volumes', '--timeout', '5'])
})

test('the address is what docker has published', () => {
  expect(publishedAddress('127.0.0.1:49153\n')).toBe('127.0.0.1:49153')
  expect(() => publishedAddress('no such service')).toThrow('no such service')
})

test('compose.yaml has exactly these servers, local, in memory, with GTIDs, local_infile and a password from outside', async () => {
  const { services } = parse(await readFile(join(repositoryRoot, 'compose.yaml'), 'utf8'), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>
  }
  expect(Object.keys(services)).toEqual(realServers)
  expect(Object.values(services).map(({ image }) => image)).toEqual(['mysql:8.4', 'mysql:9', 'mariadb:11.8'])
  for (const [name, { ports, tmpfs, command, environment, healthcheck }] of Object.entries(services)) {
    expect(ports).toEqual(['127.0.0.1::3306'])
    expect(tmpfs).toEqual([expect.stringMatching(/^\/var\/lib\/mysql:/)])
    expect(command).toEqual(expect.arrayContaining(['--local-infile=ON', '--server-id=1']))
    expect(command.some((option) => option.startsWith('--gtid-'))).toBe(true)
    expect(environment[name.startsWith('mysql') ? 'MYSQL_ROOT_PASSWORD' : 'MARIADB_ROOT_PASSWORD']).toMatch(
      /^\$\{BACKUP_PLANET_E2E_PASSWORD:\?/,
    )
    expect(healthcheck.test[0]).toBe('CMD')
  }
})

test('without docker nothing is run, and it is said what is missing', async () => {
  const run = () => Promise.reject(new Error('must not run'))
  const failure = await testRealServers({ servers: ['mysql-9'], vitestArguments: [] }, { docker: '/nowhere/docker', run }).catch(
    (error: unknown) => error as Error & { exitCode: number },
  )
  expect(failure).toMatchObject({ exitCode: 1, message: expect.stringContaining('needs Docker with Compose') })
})

test.skipIf(process.platform === 'win32')(
  'each server is started, tested by its address and removed, also when its tests fail',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bp-docker-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const docker = join(folder, 'docker')
    await writeFile(docker, `#!/bin/sh\necho "$@" >> '${folder}/calls'\ncase "$*" in *" port "*) echo 127.0.0.1:4711 ;; esac\n`, {
      mode: 0o755,
    })
    const runs: (readonly [string, readonly string[], Readonly<Record<string, string>>])[] = []
    const run = async (verb: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
      runs.push([verb, words, environment])
      return runs.length === 1 ? 3 : 0
    }
    expect(await testRealServers({ servers: ['mysql-8.4'], vitestArguments: ['-t', 'x'] }, { docker, run })).toBe(3)
    const calls = await readFile(join(folder, 'calls'), 'utf8')
    expect(
      calls
        .trim()
        .split('\n')
        .map((line) => / (version|up|port|down)/.exec(line)?.[1]),
    ).toEqual(['version', 'up', 'port', 'down'])
    const password = runs[0]?.[2].BACKUP_PLANET_E2E_PASSWORD ?? ''
    expect(password).toHaveLength(20)
    expect(calls).not.toContain(password)
    expect(runs).toEqual([
      ['e2e', [anyServerSuite, '-t', 'x'], { BACKUP_PLANET_E2E_MYSQL: '127.0.0.1:4711', BACKUP_PLANET_E2E_PASSWORD: password }],
    ])
  },
)
