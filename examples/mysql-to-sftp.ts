import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createStreamStaging, withRetry } from '@backup-planet/core'
import { createResticRepository } from '@backup-planet/repository-restic'
import { createSftpUploader } from '@backup-planet/uploader-sftp'

const { MYSQL_PORT = '3306', MYSQL_USER = 'backup', MYSQL_PASSWORD = '', REPOSITORY_PASSWORD = '' } = process.env
const { SFTP_HOST = 'backup.example.org', SFTP_PORT = '22', SFTP_USER = 'backup', SFTP_PATH = '/data' } = process.env
const { SFTP_KEY_FILE = '/etc/backup-planet/id_ed25519', SFTP_FINGERPRINT = '' } = process.env

await using agent = createMysqlAgent({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: MYSQL_USER, password: MYSQL_PASSWORD })
// ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub on the server prints its fingerprint.
const uploader = createSftpUploader({
  host: SFTP_HOST,
  port: Number(SFTP_PORT),
  user: SFTP_USER,
  path: SFTP_PATH,
  privateKeyFile: SFTP_KEY_FILE,
  hostKeyFingerprint: SFTP_FINGERPRINT,
})
// A connection that breaks is made again, and what was being sent goes on where it stopped.
await using repository = createResticRepository({ uploader: withRetry(uploader), password: REPOSITORY_PASSWORD })
await repository.initialize()

const { backup } = await backUp({ agent, repository, staging: createStreamStaging(), request: { job: 'shop', kind: 'full' } })

console.log(`${backup.status}: ${backup.items.map(({ item }) => item).join(', ')} in ${repository.destination}`)
