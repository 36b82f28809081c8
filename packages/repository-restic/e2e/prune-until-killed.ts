import { readFileSync } from 'node:fs'
import { createDirectoryUploader, uploaderLayer } from '@backup-planet/core'
import { createResticRepository, type ResticPruneRequest } from '../src/index.ts'

/**
 * Prunes the repository in `<folder>/repository` and says on standard output what it does to the store, one line before and one behind
 * each upload and removal. It kills itself so many milliseconds behind the line that the third argument describes: another process would
 * hear of that line late on a busy machine, and kill it after its end.
 */
const [folder = '', requestText = '{}', killText = '{}'] = process.argv.slice(2)
const kill = JSON.parse(killText) as { readonly begin: string; readonly occurrence: number; readonly delay: number }
let seen = 0
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
  if (!line.startsWith(kill.begin) || ++seen !== kill.occurrence) return
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), kill.delay).unref()
}

const store = createDirectoryUploader({ directory: `${folder}/repository` })
const uploader = uploaderLayer(store, {
  async upload(key, content, options) {
    say(`upload ${key}`)
    const remote = await store.upload(key, content, options)
    say(`uploaded ${key}`)
    return remote
  },
  async remove(key, options) {
    say(`remove ${key}`)
    await store.remove(key, options)
    say(`removed ${key}`)
  },
})
await using repository = createResticRepository({
  uploader,
  password: readFileSync(`${folder}/repository.password`, 'utf8').trim(),
  packBytes: 4 * 1024 ** 2,
  threads: 1,
  cacheDirectory: false,
})
await repository.prune(JSON.parse(requestText) as ResticPruneRequest)
say('pruned')
