import { uploaderLayer } from '@backup-planet/core'
import { describeRepositoryContract } from '@backup-planet/core/conformance'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { initializeRepository } from './repository-access.ts'
import { createResticRepository } from './restic-repository.ts'

const settings = { password: 'correct horse', cacheDirectory: false } as const

describeRepositoryContract('the restic repository', {
  async makeRepository() {
    const memory = createMemoryUploader()
    const locked = new Set<string>()
    const uploader = uploaderLayer(memory, {
      // A store that keeps versions would hide what is locked by `remove`.
      async removeAll(keys, options) {
        for (const key of keys) if (!locked.has(key)) await memory.remove(key, options)
        return keys.filter((key) => locked.has(key)).map((key) => ({ key, reason: 'it is locked' }))
      },
    })
    // The cheapest password there can be: each of the many sessions here asks for it.
    await initializeRepository(memory, { password: settings.password, cost: { N: 2, r: 1, p: 1 } }, {})
    return {
      repository: createResticRepository({ uploader, ...settings }),
      another: () => createResticRepository({ uploader: memory.another(), ...settings }),
      async corruptSomething() {
        for (const [key, object] of memory.objects) {
          if (!key.startsWith('data/')) continue
          const bytes = Uint8Array.from(object.bytes)
          bytes[100] = (bytes[100] ?? 0) ^ 1
          memory.objects.set(key, { ...object, bytes })
        }
      },
      refuseRemoval: ({ storage }) => void locked.add(`snapshots/${storage.snapshot}`),
    }
  },
})
