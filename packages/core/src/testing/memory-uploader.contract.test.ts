import { describeUploaderContract } from '../conformance/describe-uploader-contract.ts'
import { createMemoryUploader } from './memory-uploader.ts'

describeUploaderContract('memory uploader', {
  async makeUploader() {
    const uploader = createMemoryUploader({ removesSeveral: true })
    return { uploader, another: () => uploader.another(), everythingStored: async () => [...uploader.objects.keys()] }
  },
})
