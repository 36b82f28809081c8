/** Accounts that every server makes for itself and without which it cannot be administered, as `user@host`. */
export const systemAccounts: ReadonlySet<string> = new Set([
  'root@localhost',
  'mysql@localhost',
  'mariadb.sys@localhost',
  'mysql.sys@localhost',
  'mysql.session@localhost',
  'mysql.infoschema@localhost',
])
