import { uploaderLayer } from '@backup-planet/core'
import { describeRepositoryContract } from '@backup-planet/core/conformance'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { vi } from 'vitest'
import { testIdentity as identity, testRecipient } from './__fixtures__/test-identity.ts'
import { createArchiveRepository } from './archive-repository.ts'
import type { ArchiveSettings } from './archive-settings.ts'

// Starting a process a hundred times would take most of the time here; passphrase-process.test.ts and e2e/ do start it.
vi.mock('./passphrase-process-start.ts', async () => ({ inProcess: (await import('./passphrase-task.ts')).performTask }))

const recipients = { encryption: { recipients: [testRecipient] }, identities: [identity] }
const passphrase = { encryption: { passphrase: 'correct horse', workFactor: 8 } }

const kinds: Record<string, ArchiveSettings> = {
  'tar.zst': {},
  'tar.gz in small volumes for recipients': { format: 'tar.gz', volumeBytes: 10_000, ...recipients },
  'zip with a passphrase': { format: 'zip', ...passphrase },
  files: { format: 'files' },
}

for (const [name, settings] of Object.entries(kinds)) {
  describeRepositoryContract(`the archive repository (${name})`, {
    async makeRepository() {
      const memory = createMemoryUploader()
      const locked = new Set<string>()
      const isLocked = (key: string) => key.endsWith('/manifest.json') && [...locked].some((id) => key.includes(id))
      const uploader = uploaderLayer(memory, {
        // A store that keeps versions would hide what is locked by `remove`.
        async removeAll(keys, options) {
          for (const key of keys) if (!isLocked(key)) await memory.remove(key, options)
          return keys.filter(isLocked).map((key) => ({ key, reason: 'it is locked' }))
        },
      })
      return {
        repository: createArchiveRepository({ uploader, ...settings }),
        another: () => createArchiveRepository({ uploader: memory.another(), ...settings }),
        async corruptSomething() {
          for (const [key, object] of memory.objects) {
            if (object.bytes.byteLength === 0 || /(RESTORE\.md|manifest\.json|inventory\.json\.age|identity\.age|names(\.age)?)$/.test(key))
              continue
            const bytes = Uint8Array.from(object.bytes)
            const middle = bytes.length >> 1
            bytes[middle] = (bytes[middle] ?? 0) ^ 1
            memory.objects.set(key, { ...object, bytes })
            return
          }
          throw new Error('nothing to damage')
        },
        refuseRemoval: ({ id }) => void locked.add(id),
      }
    },
  })
}
