import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { howApplicationsAreBackedUp } from '../src/documentation/how-applications-are-backed-up.ts'
import { documentationFile, documentedApplications } from './documented-applications.ts'

test('docs/how-each-application-is-backed-up.md is what the agents plan; packages/cli/e2e/write-documentation.ts writes it', async () => {
  const written = await readFile(documentationFile, 'utf8')
  expect(written).toBe(howApplicationsAreBackedUp(await documentedApplications()))
})
