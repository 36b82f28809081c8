import { packageBuild } from '@backup-planet/tooling/tsup.base'

export default packageBuild({ index: 'src/index.ts', 'md5-worker-thread': 'src/digests/md5-worker-thread.ts' })
