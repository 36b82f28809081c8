import { describeUploaderContract } from '@backup-planet/core/conformance'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll } from 'vitest'
import { sftpPlace } from './sftp-place.ts'

let server: ThrowawaySshd
let chrooted: ThrowawaySshd
let jump: ThrowawaySshd
let behind: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd()
  chrooted = await startThrowawaySshd({ chroot: true })
  jump = await startThrowawaySshd({ configuration: ['AllowTcpForwarding yes'] })
  behind = await startThrowawaySshd({ commands: false })
})
afterAll(async () => {
  for (const each of [server, chrooted, jump, behind]) await each.stop()
})

describeUploaderContract('sftp uploader at OpenSSH', { makeUploader: () => sftpPlace(server) })

describeUploaderContract('sftp uploader in a chroot', { makeUploader: () => sftpPlace(chrooted) })

describeUploaderContract('sftp uploader behind a jump host', {
  makeUploader: () =>
    sftpPlace(behind, {
      jump: {
        host: jump.host,
        port: jump.port,
        user: jump.user,
        privateKeyFile: jump.keyFile,
        knownHostsFile: jump.knownHostsFile,
      },
    }),
})

describeUploaderContract('sftp uploader with one request at a time, reading back what it sent', {
  makeUploader: () => sftpPlace(server, { requests: 1, connections: 1, verify: 'readback' }),
})
