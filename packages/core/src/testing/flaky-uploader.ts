import type { Uploader } from '../contracts/index.ts'
import { uploaderLayer } from '../layers/uploader-layer.ts'
import { createFaultPlan, type FaultPlan, faultError, type UploaderFault, withOneBitTurned } from './faults.ts'

export interface FlakyUploader extends Uploader {
  readonly calls: FaultPlan['calls']
  injectFault(fault: UploaderFault): void
}

/** Any uploader, with faults before and in the middle of what it does; a failed upload leaves nothing, as promised. */
export function flakyUploader(uploader: Uploader, faults: readonly UploaderFault[] = []): FlakyUploader {
  const plan = createFaultPlan(faults)
  const removeAll = uploader.removeAll?.bind(uploader)
  const layer = uploaderLayer(uploader, {
    async upload(key, content, options) {
      const fault = await plan.begin('upload', options?.signal)
      if (fault === undefined) return await uploader.upload(key, content, options)
      return await uploader.upload(key, { size: content.size, sha256: content.sha256, open: () => faulty(content.open(), fault) }, options)
    },
    async *download(key, range, options) {
      const fault = await plan.begin('download', options?.signal)
      const content = uploader.download(key, range, options)
      yield* fault === undefined ? content : faulty(content, fault)
    },
    async stat(key, options) {
      await plan.begin('stat', options?.signal)
      return await uploader.stat(key, options)
    },
    async *list(prefix, options) {
      const fault = await plan.begin('list', options?.signal)
      let listed = 0
      for await (const object of uploader.list(prefix, options)) {
        if (fault?.action === 'fail-half-way' && listed++ > 0) throw faultError(fault)
        yield object
      }
      if (fault?.action === 'fail-half-way') throw faultError(fault)
    },
    async remove(key, options) {
      await plan.begin('remove', options?.signal)
      await uploader.remove(key, options)
    },
    ...(removeAll === undefined
      ? {}
      : {
          async removeAll(keys, options) {
            await plan.begin('remove', options?.signal)
            return await removeAll(keys, options)
          },
        }),
  })
  return Object.assign(layer, { calls: plan.calls, injectFault: (fault: UploaderFault) => plan.add(fault) })
}

async function* faulty(content: AsyncIterable<Uint8Array>, fault: UploaderFault): AsyncGenerator<Uint8Array, void> {
  let chunks = 0
  for await (const chunk of content) {
    if (fault.action === 'fail-half-way' && chunks > 0) throw faultError(fault)
    yield fault.action === 'corrupt' && chunks === 0 ? withOneBitTurned(chunk) : chunk
    chunks++
  }
  if (fault.action === 'fail-half-way') throw faultError(fault)
}
