import { expect, it } from 'vitest'
import { documentedPlans, readDocumentedPlan } from './documented-plan.ts'

it.each(Object.keys(documentedPlans))('%s is what the agent would do; run documented-plan.ts to write it anew', async (name) => {
  expect(await readDocumentedPlan(name)).toEqual(await documentedPlans[name]?.())
})
