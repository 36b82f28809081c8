import { packageBuild } from '@backup-planet/tooling/tsup.base'

export default packageBuild({ index: 'src/index.ts' })
