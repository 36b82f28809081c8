import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createStreamStaging, withRetry } from '@backup-planet/core'
import { createResticRepository } from '@backup-planet/repository-restic'
import { createS3Uploader } from '@backup-planet/uploader-s3'

const { MYSQL_PORT = '3306', MYSQL_USER = 'backup', MYSQL_PASSWORD = '', REPOSITORY_PASSWORD = '' } = process.env
const { BUCKET = 'backups', S3_ENDPOINT, S3_REGION } = process.env

await using agent = createMysqlAgent({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: MYSQL_USER, password: MYSQL_PASSWORD })
// Credentials come from the environment, a profile or a role of this machine, as those of every program that uses AWS do.
const uploader = createS3Uploader({ bucket: BUCKET, prefix: 'restic', endpoint: S3_ENDPOINT, region: S3_REGION })
await using repository = createResticRepository({ uploader: withRetry(uploader), password: REPOSITORY_PASSWORD })

// What is wrong with the store or its rights is known before anything is read from the database.
for (const { severity, message, hint } of await uploader.check()) {
  console.error(`${severity}: ${message}. ${hint}`)
  if (severity === 'error') process.exit(1)
}
await repository.initialize()
const { backup } = await backUp({ agent, repository, staging: createStreamStaging(), request: { job: 'shop', kind: 'full' } })

console.log(`${backup.status}: ${backup.items.map(({ item }) => item).join(', ')} in ${repository.destination}`)
