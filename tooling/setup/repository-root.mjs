import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Everything we leave behind outside node_modules and dist: stamps, test results, the quickstart's folder. */
export const cacheDirectory = join(repositoryRoot, '.cache')
