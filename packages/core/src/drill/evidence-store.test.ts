import { expect, test } from 'vitest'
import { collect } from '../conformance/conformance-check.ts'
import type { Problem } from '../contracts/index.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { sampleEvidence } from './__fixtures__/sample-evidence.ts'
import type { DrillEvidence } from './drill-evidence.ts'
import { createEvidenceKey, signEvidence, verifyEvidence } from './evidence-signature.ts'
import { evidencePrefix, listEvidence, storeEvidence } from './evidence-store.ts'

const { privateKey, publicKey } = createEvidenceKey()
const signedAs = (changes: Partial<DrillEvidence>) => signEvidence({ ...sampleEvidence, ...changes }, privateKey)

test('a record is never replaced', async () => {
  const uploader = createMemoryUploader()
  const key = await storeEvidence(uploader, signedAs({ outcome: 'failed' }))
  await expect(storeEvidence(uploader, signedAs({ outcome: 'passed' }))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  expect(Buffer.from(uploader.objects.get(key)?.bytes ?? []).toString()).toContain('"outcome":"failed"')
})

test('records of one job are listed in order, and those of others are not', async () => {
  const uploader = createMemoryUploader()
  for (const [job, id] of [
    ['shop', '20261123T000000Z-b'],
    ['shop2', '20261124T000000Z-c'],
    ['shop', '20261122T000000Z-a'],
    ['../shop', '20261125T000000Z-d'],
  ] as const)
    await storeEvidence(uploader, signedAs({ job, id }))
  const found: string[] = []
  for await (const { key, evidence, content } of listEvidence(uploader, 'shop')) {
    expect(key).toBe(`drills/shop/${evidence.id}.json`)
    expect(verifyEvidence(content, publicKey, key)).toEqual(evidence)
    found.push(evidence.id)
  }
  expect(found).toEqual(['20261122T000000Z-a', '20261123T000000Z-b'])
  expect([...uploader.objects.keys()].every((key) => !key.includes('..'))).toBe(true)
})

test('a record of another job or drill that was copied to this one is told, and counts for nothing', async () => {
  const uploader = createMemoryUploader()
  const others = [
    await storeEvidence(uploader, signedAs({ job: 'crm' })),
    await storeEvidence(uploader, signedAs({ id: '20261123T000000Z-b' })),
  ]
  const places = [`${evidencePrefix('shop')}${sampleEvidence.id}.json`, `${evidencePrefix('shop')}20261124T000000Z-c.json`]
  for (const [at, key] of places.entries()) {
    const copied = uploader.objects.get(others[at] ?? '')
    if (copied === undefined) throw new TypeError('there is nothing to copy')
    uploader.objects.set(key, copied)
  }
  const problems: Problem[] = []
  const listed = await collect(
    listEvidence(uploader, 'shop', { onProgress: (progress) => progress.type === 'problem' && problems.push(progress.problem) }),
  )
  expect(listed.map(({ evidence }) => evidence.id)).toEqual(['20261123T000000Z-b'])
  expect(problems.map(({ code, message }) => [code, message])).toEqual([
    ['INCONSISTENT', expect.stringContaining('of job crm')],
    ['INCONSISTENT', expect.stringContaining('of drill 20261123T000000Z-b of job shop')],
  ])
})

test('a record that cannot be read is told, and does not hide the others', async () => {
  const uploader = createMemoryUploader()
  await storeEvidence(uploader, signedAs({}))
  const key = `${evidencePrefix('shop')}20200101T000000Z-x.json`
  for (const bytes of [Buffer.from('{'), Buffer.from([0xff]), Buffer.from('{"evidence":{"format":"backup-planet/drill-evidence/9"}}')]) {
    uploader.objects.set(key, { bytes, modifiedAt: '2020-01-01T00:00:00Z', sha256: '' })
    const problems: Problem[] = []
    const onProgress = (progress: { readonly type: string }) => {
      if (progress.type === 'problem') problems.push((progress as { readonly type: 'problem'; readonly problem: Problem }).problem)
    }
    const listed = await collect(listEvidence(uploader, 'shop', { onProgress }))
    expect(listed.map(({ evidence }) => evidence.id)).toEqual([sampleEvidence.id])
    expect(problems).toEqual([expect.objectContaining({ severity: 'warning', message: expect.stringContaining(key) })])
  }
})
