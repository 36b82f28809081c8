import { packageBuild } from '@backup-planet/tooling/tsup.base'

export default packageBuild({ index: 'src/index.ts', 'table-reader-thread': 'src/dump/table-reader-thread.ts' })
