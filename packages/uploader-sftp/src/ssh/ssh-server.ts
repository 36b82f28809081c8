import { existsSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import type { HostKeyTrust } from '../host-keys/host-key-check.ts'
import type { ResolvedSftpSettings, SshServerSettings } from '../sftp-settings.ts'
import { type AliasFacts, readSshConfig, type SshConfigFile } from './ssh-config-file.ts'

/** One server with everything that is needed to reach it and to log in. */
export interface SshServer {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly trust: HostKeyTrust
  readonly password: string | undefined
  readonly privateKey: string | undefined
  readonly keyFiles: readonly string[]
  readonly passphrase: string | undefined
  readonly agent: string | undefined
  readonly keyboardInteractive: SshServerSettings['keyboardInteractive']
}

/** The names that ssh gives to the keys of a user, in the order in which it tries them. */
const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** The way to the server of the settings: jump hosts first, the server itself last. Reads the ssh configuration where that is asked for. */
export async function serversOnTheWay(settings: ResolvedSftpSettings): Promise<readonly [...SshServer[], SshServer]> {
  const { sshConfig = false } = settings
  const configuration = sshConfig === false ? undefined : await readSshConfig(atHome(sshConfig === true ? '~/.ssh/config' : sshConfig))
  const facts = configuration?.factsOf(settings.host, settings.user)
  const jumps = settings.jump === undefined ? undefined : [settings.jump].flat()
  return [...wayOver(jumps ?? facts?.jumps ?? [], configuration, []), resolved(settings, facts)]
}

/** As ssh does it: what its configuration says of the first server of a way is also how that one is reached. */
function wayOver(hops: readonly SshServerSettings[], configuration: SshConfigFile | undefined, reached: readonly string[]): SshServer[] {
  return hops.flatMap((hop, index) => {
    const facts = configuration?.factsOf(hop.host, hop.user)
    if (index > 0) return [resolved(hop, facts)]
    if (reached.includes(hop.host)) throw inACircle([...reached, hop.host])
    return [...wayOver(facts?.jumps ?? [], configuration, [...reached, hop.host]), resolved(hop, facts)]
  })
}

function inACircle(hosts: readonly string[]): BackupError {
  return new BackupError(`ProxyJump leads in a circle: ${hosts.join(', ')}`, {
    code: 'INVALID_SETTINGS',
    hint: 'Correct ProxyJump in the ssh configuration: the first server of a way must be reached without the others.',
  })
}

function resolved(settings: SshServerSettings, facts: AliasFacts | undefined): SshServer {
  const { password, privateKey, privateKeyFile, passphrase, agent, keyboardInteractive } = settings
  const named = privateKeyFile === undefined ? (facts?.identityFiles ?? []) : [privateKeyFile]
  const nothingGiven = password === undefined && privateKey === undefined && named.length === 0 && agent === undefined
  const usual = nothingGiven ? usualKeys.map((name) => `~/.ssh/${name}`).filter((file) => existsSync(atHome(file))) : []
  const knownHostsFiles = settings.knownHostsFile === undefined ? facts?.knownHostsFiles : [settings.knownHostsFile]
  return {
    host: facts?.hostName ?? settings.host,
    port: settings.port ?? facts?.port ?? 22,
    user: settings.user ?? facts?.user ?? userInfo().username,
    trust: {
      fingerprints: settings.hostKeyFingerprint === undefined ? [] : [settings.hostKeyFingerprint].flat(),
      knownHostsFiles: (knownHostsFiles ?? ['~/.ssh/known_hosts', '/etc/ssh/ssh_known_hosts']).map(atHome),
    },
    password,
    privateKey,
    keyFiles: [...named, ...usual].map(atHome),
    passphrase,
    agent: agentSocket(agent, nothingGiven || (facts?.identityFiles.length ?? 0) > 0),
    keyboardInteractive,
  }
}

function agentSocket(agent: string | boolean | undefined, byDefault: boolean): string | undefined {
  if (typeof agent === 'string') return atHome(agent)
  return (agent ?? byDefault) ? process.env.SSH_AUTH_SOCK || undefined : undefined
}

function atHome(path: string): string {
  return /^~[/\\]/.test(path) ? join(homedir(), path.slice(2)) : path
}
