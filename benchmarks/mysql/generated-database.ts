import type { ThrowawayMariadb } from '../../tooling/servers/throwaway-mariadb.ts'

type Client = ThrowawayMariadb['client']

const lineTables = ['line_1', 'line_2', 'line_3']
const tables = [...lineTables, 'entry']

/** Schema `bench`: three tables of numbers and text and one of JSON and blobs, a quarter of the rows each; some 190 bytes a row. Nothing of it is in the binlog. */
export async function generateDatabase(client: Client, rows: number): Promise<void> {
  const quarter = Math.ceil(rows / tables.length)
  const run = (sql: string) => client(`SET sql_log_bin = 0; ${sql}`)
  await run('CREATE DATABASE bench')
  for (const [number, table] of lineTables.entries()) {
    await run(`CREATE TABLE bench.${table} (id INT UNSIGNED PRIMARY KEY, customer INT UNSIGNED NOT NULL, at DATETIME NOT NULL,
      price DECIMAL(10, 2) NOT NULL, name VARCHAR(60) NOT NULL, note VARCHAR(200), KEY by_customer (customer))`)
    await run(`INSERT INTO bench.${table} SELECT seq, crc32(seq) % 50000, '2020-01-01' + INTERVAL seq SECOND, seq % 10000 / 7,
      concat('article ', md5(seq)), concat('row ', seq, ' of a table that is neither random nor all the same, ', sha1(seq + ${number}))
      FROM bench.seq_1_to_${quarter}`)
  }
  await run(`CREATE TABLE bench.entry (id BIGINT UNSIGNED PRIMARY KEY, at TIMESTAMP(6) NOT NULL, weight DOUBLE NOT NULL, attributes JSON NOT NULL,
    body BLOB NOT NULL, KEY by_time (at))`)
  await run(`INSERT INTO bench.entry SELECT seq, '2020-01-01' + INTERVAL seq SECOND, seq / 7,
    json_object('number', seq, 'colour', elt(seq % 3 + 1, 'red', 'green', 'blue'), 'text', md5(seq)), unhex(sha2(seq, 512))
    FROM bench.seq_1_to_${quarter}`)
  for (const table of tables) await run(`ANALYZE TABLE bench.${table}`)
}

/** Throws when a restore as `restored` did not bring back every row. */
export async function requireRows(client: Client, rows: number): Promise<void> {
  for (const table of tables) {
    const found = Number(await client(`SELECT count(*) FROM restored.${table}`))
    if (found !== Math.ceil(rows / tables.length)) throw new Error(`a restore brought back ${found} rows of ${table}`)
  }
}

/** Fills binlogs of 128 MiB with rows, once `begun` has looked at the server; resolves with the name of the first. */
export async function generateBinlogs(client: Client, megabytes: number, begun: () => Promise<void>): Promise<string> {
  await client('SET GLOBAL max_binlog_size = 134217728; RESET MASTER; CREATE DATABASE logged')
  await client('CREATE TABLE logged.note (id INT UNSIGNED PRIMARY KEY, text VARCHAR(250) NOT NULL)')
  await begun()
  const rowsOfTransaction = 20_000
  const bytesOfRow = 200
  for (let first = 1; first * bytesOfRow < megabytes * 1e6; first += rowsOfTransaction) {
    await client(
      `INSERT INTO logged.note SELECT seq, concat(sha2(seq, 512), md5(seq), repeat('x', 30)) FROM logged.seq_${first}_to_${first + rowsOfTransaction - 1}`,
    )
  }
  const [line = ''] = (await client('SHOW BINARY LOGS')).split('\n')
  await client('DROP DATABASE logged')
  return line.split('\t')[0] ?? ''
}
