import { describe, expect, test } from 'vitest'
import { requestsAtOnce } from './requests-at-once.ts'

describe('a server that may take one request at a time', () => {
  test('is taken for one after two connections in a row, and no earlier', () => {
    const requests = requestsAtOnce(64)
    requests.opened()('pipelining')
    expect(requests.allowed()).toBe(64)
    requests.opened()('idle')
    requests.opened()('pipelining')
    expect(requests.allowed()).toBe(1)
  })

  test('is not when both connections were open at once: one broken network ends them together', () => {
    const requests = requestsAtOnce(64)
    const ends = [requests.opened(), requests.opened()]
    for (const end of ends) end('pipelining')
    expect(requests.allowed()).toBe(64)
  })

  test.each([
    ['another connection ended with one request under way', (requests: ReturnType<typeof requestsAtOnce>) => requests.opened()('request')],
    ['it could not be reached meanwhile', (requests: ReturnType<typeof requestsAtOnce>) => requests.unreachable()],
  ])('is not when %s', (_, happens) => {
    const requests = requestsAtOnce(64)
    requests.opened()('pipelining')
    happens(requests)
    requests.opened()('pipelining')
    expect(requests.allowed()).toBe(64)
  })

  test('is given another chance when connections with one request end as well', () => {
    const requests = requestsAtOnce(64)
    requests.opened()('pipelining')
    requests.opened()('pipelining')
    requests.opened()('request')
    expect(requests.allowed()).toBe(64)
  })

  test('never is, once it has answered several requests at once', () => {
    const requests = requestsAtOnce(64)
    requests.proven()
    for (let end = 0; end < 5; end++) requests.opened()('pipelining')
    expect(requests.allowed()).toBe(64)
  })
})
