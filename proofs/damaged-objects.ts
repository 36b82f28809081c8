import type { Uploader } from '@backup-planet/core'
import { bytesOf, reopenable } from '@backup-planet/core/testing'

/** Turns a bit of every object that is content. */
export async function damageObjects(uploader: Uploader, isContent: (key: string) => boolean): Promise<void> {
  for await (const { key, size } of uploader.list('')) {
    if (size === 0 || !isContent(key)) continue
    const bytes = await bytesOf(uploader.download(key))
    const place = Math.min(100, bytes.byteLength - 1)
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
    await uploader.upload(key, reopenable(bytes))
  }
}
