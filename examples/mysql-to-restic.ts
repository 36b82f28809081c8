import { resolve } from 'node:path'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createDirectoryUploader, createStreamStaging } from '@backup-planet/core'
import { createResticRepository } from '@backup-planet/repository-restic'

const { MYSQL_PORT = '3306', MYSQL_USER = 'backup', MYSQL_PASSWORD = '', REPOSITORY = 'repository', REPOSITORY_PASSWORD = '' } = process.env

await using agent = createMysqlAgent({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: MYSQL_USER, password: MYSQL_PASSWORD })
await using repository = createResticRepository({
  uploader: createDirectoryUploader({ directory: resolve(REPOSITORY) }),
  password: REPOSITORY_PASSWORD,
})
await repository.initialize()

// No disk between the server and the repository: the dump is cut, encrypted and sent while it is read.
const { backup } = await backUp({ agent, repository, staging: createStreamStaging(), request: { job: 'shop', kind: 'full' } })

const { ratio = 1 } = await repository.stats()
console.log(`${backup.status}: ${backup.items.map(({ item }) => item).join(', ')} in ${repository.destination}, ${ratio.toFixed(1)} : 1`)
