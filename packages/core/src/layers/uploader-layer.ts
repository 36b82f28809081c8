import type { Uploader } from '../contracts/index.ts'

/** An uploader that does what `uploader` does, except for the given methods. Disposing it disposes `uploader`. */
export function uploaderLayer(
  uploader: Uploader,
  methods: Partial<Pick<Uploader, 'upload' | 'download' | 'stat' | 'list' | 'remove' | 'removeAll' | 'check'>>,
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
    ...offeredBy(uploader),
    classify: (error) => uploader.classify(error),
    [Symbol.asyncDispose]: () => uploader[Symbol.asyncDispose](),
    ...methods,
  }
}

/** Only what there is: whoever asks goes by that. */
function offeredBy(uploader: Uploader): Pick<Uploader, 'removeAll' | 'check'> {
  const removeAll = uploader.removeAll?.bind(uploader)
  const check = uploader.check?.bind(uploader)
  return { ...(removeAll === undefined ? {} : { removeAll }), ...(check === undefined ? {} : { check }) }
}
