import { describeUploaderContract } from '../conformance/describe-uploader-contract.ts'
import { directoryPlace } from '../uploaders/__fixtures__/directory-place.ts'
import { contractLayers } from './__fixtures__/contract-layers.ts'

/** Each layer once, around what really closes files, renames and waits for a disk; their variations are checked in memory. */
const names = ['retry layer on a flaky uploader', 'throttle layer', 'logging layer', 'all layers'] as const

for (const name of names) {
  describeUploaderContract(`${name} on the directory uploader`, { makeUploader: () => directoryPlace(contractLayers[name]) })
}
