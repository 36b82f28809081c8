import { packageBuild } from '@backup-planet/tooling/tsup.base'

export default packageBuild(
  {
    index: 'src/index.ts',
    memory: 'src/memory/discarded-bytes.ts',
    testing: 'src/testing/index.ts',
    conformance: 'src/conformance/index.ts',
  },
  { external: ['vitest'] },
)
