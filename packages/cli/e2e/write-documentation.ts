// node --conditions=@backup-planet/source packages/cli/e2e/write-documentation.ts
import { writeFile } from 'node:fs/promises'
import { howApplicationsAreBackedUp } from '../src/documentation/how-applications-are-backed-up.ts'
import { documentationFile, documentedApplications } from './documented-applications.ts'

await writeFile(documentationFile, howApplicationsAreBackedUp(await documentedApplications()))
