import { expect, it } from 'vitest'
import { planOfMysql8, readDocumentedPlan } from './documented-plan.ts'

it('is what the agent would do on MySQL 8; run documented-plan.ts to write it anew', async () => {
  expect(await readDocumentedPlan()).toEqual(await planOfMysql8())
})
