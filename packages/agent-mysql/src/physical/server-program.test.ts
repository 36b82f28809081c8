import { expect, it } from 'vitest'
import { isSameServer, parseServerVersion } from './server-program.ts'

const mariadb = parseServerVersion('mariadbd', 'mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)\n')
const mysql = parseServerVersion('mysqld', '/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)\n')

it('reads which server a program is of', () => {
  expect(mariadb).toEqual({ command: 'mariadbd', version: '10.11.6-MariaDB-0+deb12u1', flavour: 'mariadb' })
  expect(mysql).toEqual({ command: 'mysqld', version: '8.0.36', flavour: 'mysql' })
  expect(parseServerVersion('x', 'hello')).toBeUndefined()
})

it.each([
  [mariadb, 'mariadb', '10.11.18-MariaDB', true],
  [mariadb, 'mariadb', '10.6.1-MariaDB', false],
  [mariadb, 'mysql', '10.11.6', false],
  [mysql, 'mysql', '8.0.36', true],
  // A later one would bring the directory up to its own version.
  [mysql, 'mysql', '8.0.35', false],
  [mysql, 'mysql', '8.4.0', false],
] as const)('%o goes on with a copy of %s %s: %s', (program, flavour, source, same) => {
  expect(program !== undefined && isSameServer(program, flavour, source)).toBe(same)
})
