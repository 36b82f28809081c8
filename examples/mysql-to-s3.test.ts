import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayCephS3 } from '@backup-planet/tooling/throwaway-ceph-s3'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const example = join(import.meta.dirname, 'mysql-to-s3.ts')

test('a server is streamed into a bucket, twice, and a missing bucket is told before', async () => {
  await using server = await startThrowawayMariadb()
  await server.client(
    'CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT); INSERT INTO shop.customer SELECT seq, seq FROM shop.seq_1_to_2000',
  )
  await using ceph = await startThrowawayCephS3({ buckets: ['backups'] })
  const environment = {
    ...process.env,
    MYSQL_PORT: String(server.port),
    MYSQL_USER: server.user,
    MYSQL_PASSWORD: server.rootPassword,
    REPOSITORY_PASSWORD: 'correct horse',
    S3_ENDPOINT: ceph.endpoint,
    AWS_ACCESS_KEY_ID: ceph.user.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ceph.user.secretAccessKey,
  }
  const start = (more: object) =>
    run(process.execPath, ['--conditions=@backup-planet/source', example], { env: { ...environment, ...more } })
  for (let time = 0; time < 2; time++) {
    const { stdout } = await start({})
    expect(stdout).toMatch(/^complete: .*\bshop\b.* in s3:\/\/backups\/restic\?endpoint=/)
  }
  await expect(start({ BUCKET: 'missing' })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Create the bucket missing'),
  })
})
