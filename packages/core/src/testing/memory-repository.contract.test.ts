import { describeRepositoryContract } from '../conformance/describe-repository-contract.ts'
import { createMemoryRepository } from './memory-repository.ts'

describeRepositoryContract('memory repository', {
  async makeRepository() {
    const repository = createMemoryRepository()
    return {
      repository,
      another: () => repository.another(),
      corruptSomething: async () => repository.corruptSomething(),
      refuseRemoval: ({ id }) => void repository.place.retained.set(id, 'it is locked'),
    }
  },
})
