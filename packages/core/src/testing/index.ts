export { bytesOf, chunksOf, reopenable, sampleBytes, sha256Of } from './chunks-of.ts'
export type { UploaderFault, UploaderOperation } from './faults.ts'
export { type FlakyUploader, flakyUploader } from './flaky-uploader.ts'
export { createMemoryUploader, type MemoryObject, type MemoryUploader, type MemoryUploaderSettings } from './memory-uploader.ts'
