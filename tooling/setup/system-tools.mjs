import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupFailure } from './setup-step.mjs'

/** Programs of other people, and modules of them, that tests and demonstrations use, and how each system calls their package. */
const tools = {
  mariadbd: { use: 'every test against a real MariaDB server', apt: 'mariadb-server', dnf: 'mariadb-server', brew: 'mariadb' },
  'mariadb-backup': { use: 'tests of physical backups', apt: 'mariadb-backup', dnf: 'mariadb-backup', brew: 'mariadb' },
  sshd: { use: 'tests against a real SFTP server', apt: 'openssh-server', dnf: 'openssh-server', brew: 'openssh' },
  'ssh-keygen': { use: 'keys of the SFTP servers of the tests', apt: 'openssh-client', dnf: 'openssh-clients', brew: 'openssh' },
  proftpd: { use: 'tests against another SFTP server than OpenSSH', apt: 'proftpd-core', dnf: 'proftpd', brew: 'proftpd' },
  'mod_sftp.so': { use: 'tests against another SFTP server than OpenSSH', apt: 'proftpd-mod-crypto', dnf: 'proftpd', brew: 'proftpd' },
  zstd: { use: 'tests that unpack our archives with zstd', apt: 'zstd', dnf: 'zstd', brew: 'zstd' },
  age: { use: 'tests that decrypt our archives with age', apt: 'age', dnf: 'age', brew: 'age' },
  unzip: { use: 'tests that unpack our archives with unzip', apt: 'unzip', dnf: 'unzip', brew: 'unzip' },
  mydumper: { use: 'tests that load our dumps with myloader', apt: 'mydumper', dnf: 'mydumper', brew: 'mydumper' },
  restic: { use: 'tests that share a repository with restic', apt: 'restic', dnf: 'restic', brew: 'restic' },
  fusermount: { use: 'tests that read our backups through a mount of restic', apt: 'fuse', dnf: 'fuse', brew: 'macfuse' },
  chromium: { use: 'tests that look at the pages of reports in a browser', apt: 'chromium', dnf: 'chromium', brew: 'chromium' },
  rclone: { use: 'the benchmark of S3, which measures ours beside it', apt: 'rclone', dnf: 'rclone', brew: 'rclone' },
  aws: { use: 'the benchmark of S3, as another one beside ours', apt: 'awscli', dnf: 'awscli2', brew: 'awscli' },
  radosgw: { use: 'every test against a real S3 store, the gateway of Ceph', apt: 'radosgw', dnf: 'ceph-radosgw', brew: 'ceph' },
  'ceph-mon': { use: 'every test against a real S3 store, the gateway of Ceph', apt: 'ceph-mon', dnf: 'ceph-mon', brew: 'ceph' },
  'ceph-osd': { use: 'every test against a real S3 store, the gateway of Ceph', apt: 'ceph-osd', dnf: 'ceph-osd', brew: 'ceph' },
  ceph: { use: 'every test against a real S3 store, the gateway of Ceph', apt: 'ceph-common', dnf: 'ceph-common', brew: 'ceph' },
}

/** Which of these programs this machine does not have. */
export function missingTools(names) {
  return names.filter((name) => !isInstalled(name))
}

export function aptPackages(names) {
  return names.map((name) => tools[name].apt)
}

/** Prints what to install by hand; throws when a verb cannot do without it. */
export function reportMissingTools(names, required) {
  if (names.length === 0) return
  const lines = names.map((name) => `    ${name.padEnd(11)} for ${tools[name].use}`)
  const packages = (system) => [...new Set(names.map((name) => tools[name][system]))].join(' ')
  const text =
    `  Not on this machine:\n${lines.join('\n')}\n  To install:\n    Debian, Ubuntu   sudo apt-get install ${packages('apt')}\n` +
    `    Fedora, RHEL     sudo dnf install ${packages('dnf')}\n    macOS            brew install ${packages('brew')}\n`
  const stopping = names.filter((name) => required.includes(name))
  if (stopping.length > 0)
    throw new SetupFailure(`Setting up stopped at the step "system tools": ${stopping.join(', ')} is needed.\n\n${text}`)
  process.stderr.write(`${text}  Going on without; the tests named above cannot pass here.\n`)
}

/** Where Debian and others put what a server loads. */
const moduleFolders = ['/usr/lib/proftpd', '/usr/libexec/proftpd']

function isInstalled(name) {
  if (name.endsWith('.so')) return moduleFolders.some((folder) => existsSync(join(folder, name)))
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin', '/usr/libexec']
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : ['']
  return folders.some((folder) => endings.some((ending) => isExecutable(join(folder, name + ending))))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
