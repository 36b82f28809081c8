import { describeUploaderContract } from '../conformance/describe-uploader-contract.ts'
import { directoryPlace } from './__fixtures__/directory-place.ts'

describeUploaderContract('directory uploader', { makeUploader: () => directoryPlace() })
