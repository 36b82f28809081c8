import { homedir } from 'node:os'
import { BackupError } from '@backup-planet/core'
import SSHConfig from 'ssh-config'
import type { SshServerSettings } from '../sftp-settings.ts'
import { readWithIncludes } from './ssh-config-includes.ts'

/** What an ssh_config(5) says of one alias, as far as it is used here. */
export interface AliasFacts {
  readonly hostName: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly identityFiles: readonly string[]
  readonly knownHostsFiles: readonly string[] | undefined
  readonly jumps: readonly SshServerSettings[]
}

export interface SshConfigFile {
  factsOf(alias: string, user: string | undefined): AliasFacts
}

/** Reads an ssh_config(5) with the files that it includes. `Match exec` is never run, so its sections do not apply. */
export async function readSshConfig(path: string): Promise<SshConfigFile> {
  const configuration = SSHConfig.parse(await readWithIncludes(path))
  return { factsOf: (alias, user) => factsIn(configuration, alias, user) }
}

/** Pure but for what the file says; exported for tests. */
export function factsIn(configuration: SSHConfig, alias: string, user: string | undefined): AliasFacts {
  const values = configuration.compute(
    { Host: alias, ...(user === undefined ? {} : { User: user }) },
    { ignoreCase: true, matchExec: false },
  )
  const of = (name: string): string[] => [values[name] ?? []].flat().filter((value) => value !== 'none')
  const hostName = of('hostname')[0]?.replaceAll('%h', alias)
  const facts = { host: hostName ?? alias, alias, user: user ?? of('user')[0] ?? '' }
  const port = of('port')[0]
  const knownHosts = of('userknownhostsfile').flatMap((value) => value.split(/\s+/))
  if (of('proxycommand').length > 0 && of('proxyjump').length === 0) {
    throw new BackupError(`the ssh configuration of ${alias} has a ProxyCommand`, {
      code: 'UNSUPPORTED',
      hint: 'Programs are not run to reach a server: write ProxyJump in the ssh configuration, or jump in the settings.',
    })
  }
  return {
    hostName,
    port: port === undefined ? undefined : Number(port),
    user: of('user')[0],
    identityFiles: of('identityfile').map((file) => expanded(file, facts)),
    knownHostsFiles: knownHosts.length === 0 ? undefined : knownHosts.map((file) => expanded(file, facts)),
    jumps: of('proxyjump')
      .flatMap((value) => value.split(','))
      .map((hop) => jumpOf(hop.trim())),
  }
}

/** `user@host:port`, each but the host optional: ssh_config(5), ProxyJump. */
function jumpOf(hop: string): SshServerSettings {
  const [, user, bracketed, plain, port] = /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?\/?$/.exec(hop) ?? []
  const host = bracketed ?? plain
  if (host === undefined) {
    throw new BackupError(`ProxyJump ${JSON.stringify(hop)} cannot be read`, {
      code: 'INVALID_SETTINGS',
      hint: 'Write it as user@host:port in the ssh configuration, or name the way with jump in the settings.',
    })
  }
  return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port: Number(port) }) }
}

/** The tokens of ssh_config(5) that make sense here. */
function expanded(path: string, { host, alias, user }: { host: string; alias: string; user: string }): string {
  const values: Readonly<Record<string, string>> = { '%': '%', d: homedir(), h: host, n: alias, r: user }
  return path.replace(/%(.)/g, (whole, token: string) => values[token] ?? whole)
}
