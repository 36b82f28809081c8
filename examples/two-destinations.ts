import { resolve } from 'node:path'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createDirectoryStaging, createDirectoryUploader, withMirrors } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { createResticRepository } from '@backup-planet/repository-restic'

const { MYSQL_PORT = '3306', MYSQL_USER = 'backup', MYSQL_PASSWORD = '', BACKUPS = 'backups', REPOSITORY_PASSWORD = '' } = process.env

await using agent = createMysqlAgent({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: MYSQL_USER, password: MYSQL_PASSWORD })
const deduplicated = createResticRepository({
  uploader: createDirectoryUploader({ directory: resolve(BACKUPS, 'repository') }),
  password: REPOSITORY_PASSWORD,
})
const plain = createArchiveRepository({ uploader: createDirectoryUploader({ directory: resolve(BACKUPS, 'archives') }) })
await using repository = withMirrors(deduplicated, [plain])
await repository.initialize?.()

// The server is read once; each place commits by itself. What one of the two could not take is in the problems, and the other has the backup.
const staging = createDirectoryStaging({ directory: resolve(BACKUPS, 'staging') })
const { backup, problems } = await backUp({ agent, repository, staging, request: { job: 'shop', kind: 'full' } })

for (const { destination } of [deduplicated, plain]) console.log(`${backup.status}: ${backup.id} in ${destination}`)
for (const { message } of problems) console.log(`problem: ${message}`)
