import { expect, it } from 'vitest'
import { planOfLog, planOfMysql8, readDocumentedPlan } from './documented-plan.ts'

it('is what the agent would do on MySQL 8; run documented-plan.ts to write it anew', async () => {
  expect(await readDocumentedPlan('mysql-8')).toEqual(await planOfMysql8())
})

it('is what the agent would do for a log backup; run documented-plan.ts to write it anew', async () => {
  expect(await readDocumentedPlan('log')).toEqual(planOfLog())
})
