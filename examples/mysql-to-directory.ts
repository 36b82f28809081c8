import { resolve } from 'node:path'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createDirectoryStaging, createDirectoryUploader } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'

const { MYSQL_PORT = '3306', MYSQL_USER = 'backup', MYSQL_PASSWORD = '', BACKUPS = 'backups' } = process.env

await using agent = createMysqlAgent({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: MYSQL_USER, password: MYSQL_PASSWORD })
await using repository = createArchiveRepository({ uploader: createDirectoryUploader({ directory: resolve(BACKUPS) }) })
const staging = createDirectoryStaging({ directory: resolve(`${BACKUPS}.staging`) })

const { backup } = await backUp({ agent, repository, staging, request: { job: 'shop', kind: 'full' } })

console.log(`${backup.status}: ${backup.items.map(({ item }) => item).join(', ')} in ${repository.destination}`)
