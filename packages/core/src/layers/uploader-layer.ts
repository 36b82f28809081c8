import type { Uploader } from '../contracts/index.ts'

/** An uploader that does what `uploader` does, except for the given methods. Disposing it disposes `uploader`. */
export function uploaderLayer(
  uploader: Uploader,
  methods: Partial<Pick<Uploader, 'upload' | 'download' | 'stat' | 'list' | 'remove' | 'check'>>,
): Uploader {
  return {
    contract: uploader.contract,
    destination: uploader.destination,
    supports: uploader.supports,
    upload: (key, content, options) => uploader.upload(key, content, options),
    download: (key, range, options) => uploader.download(key, range, options),
    stat: (key, options) => uploader.stat(key, options),
    list: (prefix, options) => uploader.list(prefix, options),
    remove: (key, options) => uploader.remove(key, options),
    ...checkOf(uploader),
    classify: (error) => uploader.classify(error),
    [Symbol.asyncDispose]: () => uploader[Symbol.asyncDispose](),
    ...methods,
  }
}

/** Only where there is one: whoever asks goes by that. */
function checkOf(uploader: Uploader): Pick<Uploader, 'check'> {
  const check = uploader.check?.bind(uploader)
  return check === undefined ? {} : { check }
}
