import { defineConfig } from 'vitest/config'

const conditions = ['@backup-planet/source', 'node', 'import', 'default']
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
}
const sharedTests = {
  execArgv: ['--conditions=@backup-planet/source'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  ...shared,
  test: {
    passWithNoTests: false,
    projects: [
      {
        ...shared,
        test: {
          ...sharedTests,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'tooling/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.server.test.ts', 'tooling/servers/**'],
          // Many wait more than they work: for locks that settle, for the keys of passwords, for broken plugins that never answer.
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: {
          ...sharedTests,
          name: 'servers',
          include: [
            'packages/*/e2e/**/*.test.ts',
            'examples/**/*.test.ts',
            'proofs/**/*.test.ts',
            'tooling/**/*.server.test.ts',
            'tooling/servers/**/*.test.ts',
          ],
          // Every file brings a server of its own; many at once would time each other out.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
