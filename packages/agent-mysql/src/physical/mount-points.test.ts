import { expect, it } from 'vitest'
import { parseMountPoints } from './mount-points.ts'

it('reads where something is mounted, names with blanks as well', () => {
  const text = `36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
41 36 98:0 /volumes/data /var/lib/my\\040sql\\134x rw,relatime - ext4 /dev/sda1 rw
`
  expect(parseMountPoints(text)).toEqual(['/mnt/parent', '/var/lib/my sql\\x'])
  expect(parseMountPoints('')).toEqual([])
})
