import { defineConfig } from 'vitest/config'

const conditions = ['@backup-planet/source', 'node', 'import', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/e2e/**/*.test.ts', 'examples/**/*.test.ts', 'tooling/**/*.test.ts'],
    execArgv: ['--conditions=@backup-planet/source'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
