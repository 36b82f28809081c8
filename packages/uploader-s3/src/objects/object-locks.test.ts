import { expect, test } from 'vitest'
import { createMemoryS3, type MemoryS3, type S3Call, s3Failure } from '../__fixtures__/memory-s3.ts'
import { createS3Uploader } from '../index.ts'

const until = '2999-01-01T00:00:00.000Z'

/** A bucket whose lock configuration these credentials may not read. `facts`: what it says of each object. */
async function removeAllOf(facts: Readonly<Record<string, object>>): Promise<{ readonly memory: MemoryS3; readonly retained: string[] }> {
  const memory = createMemoryS3()
  memory.meet = ({ name, input, carryOut }: S3Call) => {
    if (name === 'GetObjectLockConfiguration') throw s3Failure('AccessDenied', 403)
    return name === 'HeadObject' ? { ...carryOut(), ...facts[input.Key ?? ''] } : undefined
  }
  await using uploader = createS3Uploader({
    bucket: 'bucket',
    profile: 'compatible',
    createClient: memory.createClient,
    concurrency: 1,
  })
  const keys = Object.keys(facts)
  for (const key of keys) {
    await uploader.upload(key, {
      size: 1,
      async *open() {
        yield Buffer.from('x')
      },
    })
  }
  memory.calls.length = 0
  const retained = await uploader.removeAll(keys)
  return { memory, retained: retained.map(({ key, reason }) => `${key}: ${reason}`) }
}

const locked = { VersionId: 'a1', ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date(until) }

test('what is locked stays, though what was written before versions were turned on comes first', async () => {
  const { memory, retained } = await removeAllOf({ early: { VersionId: 'null' }, older: { VersionId: 'null' }, locked })
  expect(retained).toEqual([expect.stringMatching(/^locked: it is locked until 2999-01-01T00:00:00.000Z \(COMPLIANCE\)/)])
  expect([...memory.objects.keys()]).toEqual(['locked'])
})

test('a bucket without versions is asked for one object only', async () => {
  const { memory, retained } = await removeAllOf({ one: {}, two: {}, three: {} })
  expect([retained, memory.objects.size]).toEqual([[], 0])
  expect(memory.calls.filter(({ name }) => name === 'HeadObject').map(({ input }) => input.Key)).toEqual(['one'])
})
