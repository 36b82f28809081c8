import * as os from 'node:os'
import { afterEach, expect, it, vi } from 'vitest'
import { userName } from './process-identity.ts'

vi.mock('node:os', async (original) => {
  const real = await original<typeof os>()
  return { ...real, userInfo: vi.fn(real.userInfo) }
})

afterEach(() => {
  vi.restoreAllMocks()
})

it('is the name of the user who runs this process', () => {
  expect(userName()).toBe(os.userInfo().username)
})

it('is empty where the user has none, as in some containers', () => {
  vi.mocked(os.userInfo).mockImplementation(() => {
    throw new Error('uv_os_get_passwd returned ENOENT')
  })
  expect(userName()).toBe('')
})
