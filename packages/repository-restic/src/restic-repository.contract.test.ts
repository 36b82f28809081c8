import { describeRepositoryContract } from '@backup-planet/core/conformance'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { initializeRepository } from './repository-access.ts'
import { createResticRepository } from './restic-repository.ts'

const settings = { password: 'correct horse', cacheDirectory: false } as const

describeRepositoryContract('the restic repository', {
  async makeRepository() {
    const uploader = createMemoryUploader()
    // The cheapest password there can be: each of the many sessions here asks for it.
    await initializeRepository(uploader, { password: settings.password, cost: { N: 2, r: 1, p: 1 } }, {})
    return {
      repository: createResticRepository({ uploader, ...settings }),
      another: () => createResticRepository({ uploader: uploader.another(), ...settings }),
      async corruptSomething() {
        for (const [key, object] of uploader.objects) {
          if (!key.startsWith('data/')) continue
          const bytes = Uint8Array.from(object.bytes)
          bytes[100] = (bytes[100] ?? 0) ^ 1
          uploader.objects.set(key, { ...object, bytes })
        }
      },
    }
  },
})
