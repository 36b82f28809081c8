import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { expect, it } from 'vitest'
import { sftpPlace } from './sftp-place.ts'

const bytes = sampleBytes(24 * 1024 ** 2 + 77, 12)

it.each([
  ['exchanges keys after every MiB', ['RekeyLimit 1M']],
  ['knows AES-GCM with 256 bits only', ['Ciphers aes256-gcm@openssh.com']],
  ['knows ChaCha20 only', ['Ciphers chacha20-poly1305@openssh.com']],
  ['knows counter mode only', ['Ciphers aes256-ctr']],
])('several uploads and downloads at once are whole with a server that %s', async (_, configuration) => {
  await using server = await startThrowawaySshd({ configuration })
  const place = await sftpPlace(server, { verify: 'checksum', connections: 1 })
  try {
    const contents = [0, 1, 2].map((index) => bytes.subarray(index * 1000))
    await Promise.all(contents.map((content, index) => place.uploader.upload(`object-${index}`, reopenable(content))))
    const back = await Promise.all(contents.map((_content, index) => bytesOf(place.uploader.download(`object-${index}`))))
    for (const [index, content] of contents.entries()) expect(back[index]?.equals(content)).toBe(true)
  } finally {
    await place.dispose?.()
  }
})
