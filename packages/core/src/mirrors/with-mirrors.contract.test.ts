import { describeRepositoryContract } from '../conformance/describe-repository-contract.ts'
import { createMemoryRepository } from '../testing/memory-repository.ts'
import { withMirrors } from './with-mirrors.ts'

describeRepositoryContract('a repository with mirrors', {
  async makeRepository() {
    const first = createMemoryRepository()
    const [second, third] = [createMemoryRepository(), createMemoryRepository()]
    const all = () =>
      withMirrors(first.another(), [
        { ...second.another(), destination: 'memory://second' },
        { ...third.another(), destination: 'memory://third' },
      ])
    return {
      repository: all(),
      another: all,
      corruptSomething: async () => first.corruptSomething(),
      refuseRemoval: ({ id }) => void first.place.retained.set(id, 'it is locked'),
    }
  },
})
