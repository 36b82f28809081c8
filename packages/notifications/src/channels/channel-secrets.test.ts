import { maskSecrets } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { channelSecrets, headerSecrets } from './channel-secrets.ts'

it.each([
  [{ Authorization: 'Bearer abc.DEF-123' }, 'the token abc.DEF-123 of Bearer is unknown', 'the token *** of Bearer is unknown'],
  [{ authorization: `Basic ${Buffer.from('ops:sw0rd:fish').toString('base64')}` }, 'no login with sw0rd:fish', 'no login with ***'],
  [{ Authorization: 'GenieKey 0123-4567' }, 'GenieKey 0123-4567; key 0123-4567', '***; key ***'],
  [{ Cookie: 'session="s3ss10n"; theme=dark' }, 'no session s3ss10n', 'no session ***'],
  [{ 'X-Api-Key': ' k3y-0f-ops ' }, 'k3y-0f-ops is unknown', '*** is unknown'],
])('of %j a service may repeat a part, and it is not shown', (headers, said, shown) => {
  expect(maskSecrets(said, headerSecrets(headers))).toBe(shown)
})

it('headers that hold no secret hide no words', () => {
  expect(headerSecrets({ Priority: 'urgent', 'content-type': 'text/plain; charset=utf-8', 'user-agent': 'backup-planet' })).toEqual([])
  expect(headerSecrets({ Authorization: 'Bearer abc' })).toEqual(['Bearer abc'])
  expect(headerSecrets({ Authorization: 'Basic' })).toEqual(['Basic'])
})

it('those of settings are found whatever is wrong with these', () => {
  expect(channelSecrets({ url: 'https://x/y', headers: { Authorization: 'Bearer t0ken', Token: 7 } })).toEqual([
    'https://x/y',
    'Bearer t0ken',
    't0ken',
  ])
  expect(channelSecrets({ password: 'sw0rdfish', url: 7, headers: null })).toEqual(['sw0rdfish'])
  expect(channelSecrets({})).toEqual([])
})
