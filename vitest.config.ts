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

/** They replace modules, or measure the memory of their process, and so need one to themselves; all others share theirs, which spares half of the time. */
const alone = [
  'packages/agent-mysql/src/binlog/binlog-scan.test.ts',
  'packages/cli/src/workspace/many-buffers.test.ts',
  'packages/core/src/uploaders/directory-uploader-abort.test.ts',
  'packages/repository-archive/src/archive-{passphrase,properties,repository,repository.contract}.test.ts',
  'packages/repository-restic/src/{hostile-keys,hostile-manifests,password-faults,process-identity,restic-settings}.test.ts',
  'packages/repository-restic/src/workers/blob-workers.test.ts',
]

/** Many wait more than they work: for locks that settle, for the keys of passwords, for broken plugins that never answer. */
const unitWorkers = 4

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
          exclude: ['**/node_modules/**', '**/*.server.test.ts', 'tooling/servers/**', ...alone],
          isolate: false,
          unstubEnvs: true,
          maxWorkers: unitWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: { ...sharedTests, name: 'unit, alone', include: alone, maxWorkers: unitWorkers, sequence: { groupOrder: 1 } },
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
          isolate: false,
          unstubEnvs: true,
          // Every file brings a server of its own; many at once would time each other out.
          maxWorkers: 4,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
