import type { RepositorySecret } from './repository-secret.ts'

export interface ExampleConfiguration {
  readonly job: string
  readonly application: string
  /** Lines of YAML, not indented. */
  readonly agentSettings: string
  readonly repositoryKind: string
  readonly repositorySettings: string
  readonly destination: string
  /** Left out where backups are not encrypted. */
  readonly secret: { readonly of: RepositorySecret; readonly file: string } | undefined
}

/** The commented configuration that `init` writes; it parses as it is. */
export function exampleConfiguration(example: ExampleConfiguration): string {
  const quoted = (text: string) => JSON.stringify(text)
  return `# What backup-planet backs up, and where to.
# Secrets do not belong into this file: write \${env:NAME} for an environment variable
# or \${file:/path} for the content of a file that only you can read.

# Where backups are kept.
repositories:
  local:
    kind: ${example.repositoryKind}
    destination: ${quoted(example.destination)}
    # Not created by a run: a disk that is not mounted is an error, and nothing is written below its mount point.
    uploader: { settings: { createDirectory: false } }
${indent(repositorySettings(example), 4)}
# What is backed up.
jobs:
  ${example.job}:
    agent: ${example.application}
    repository: local
    settings:
${indent(example.agentSettings, 6)}    # What "prune ${example.job}" keeps; without it nothing is ever removed. Logs stay as long as the oldest full backup that is kept needs them.
    # retention: { keepDaily: 7, keepWeekly: 5, keepMonthly: 12 }

# Servers that "restore --to NAME" may write to; "restore --to source" is the server of the job itself.
# targets:
#   scratch:
#     agent: ${example.application}
#     settings:
#       host: 127.0.0.1

# Disk space for files on their way, how much of it may be used at once, and what always stays free on the disk.
# staging:
#   directory: /var/lib/backup-planet/staging
#   budget: 2GiB
#   minimumFree: 512MiB

# How fast backups may be sent.
# limits:
#   upload: 20MB/s

# Who is told how backups went: "backup-planet notify --test" tries it. With onRun every run tells, as cron needs it.
# notifications:
#   onRun: true
#   channels:
#     mail:
#       kind: email
#       host: mail.example.org
#       user: backup
#       password: "\${file:/etc/backup-planet/mail-password}"
#       from: backup@example.org
#       to: [ops@example.org]
`
}

function repositorySettings({ repositorySettings, secret }: ExampleConfiguration): string {
  if (secret === undefined) return repositorySettings
  const comment = `# Without this ${secret.of.word} no backup can be read: keep a copy of the file in another place.\n`
  const others = secret.of.replaces === undefined ? repositorySettings : repositorySettings.replace(secret.of.replaces, '')
  return `${comment}${secret.of.settings(secret.file)}${others}`
}

function indent(lines: string, by: number): string {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '' ? '\n' : `${' '.repeat(by)}${line}\n`))
    .join('')
}
