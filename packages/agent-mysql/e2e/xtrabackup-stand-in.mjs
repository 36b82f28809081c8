#!/usr/bin/env node
/**
 * Percona XtraBackup 8.0 as far as its documentation says what it takes and refuses ("xtrabackup option reference", "Prepare an incremental backup", "Take an incremental backup",
 * "Index of files created by Percona XtraBackup"): options, exit codes, the stream, and the states of a copy. What it copies is the files of STAND_IN_DATA, and a page of each that
 * changes with the LSN. It models no InnoDB: no redo log, no locks, no connection.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'

const version = process.env.STAND_IN_VERSION ?? '8.0.35'
const lsn = process.env.STAND_IN_LSN ?? '1000'
const given = process.argv.slice(2)
if (process.env.STAND_IN_LOG !== undefined) appendFileSync(process.env.STAND_IN_LOG, `${JSON.stringify(given)}\n`)

function say(text) {
  process.stderr.write(`2026-01-01T00:00:00.000000-00:00 0 [Note] [MY-011825] [Xtrabackup] ${text}\n`)
}
function refuse(text) {
  process.stderr.write(`2026-01-01T00:00:00.000000-00:00 0 [ERROR] [MY-011825] [Xtrabackup] ${text}\n`)
  process.exit(1)
}

if (given.length === 1 && given[0] === '--version') {
  process.stderr.write(`xtrabackup version ${version}-30 based on MySQL server ${version} Linux (x86_64) (revision id: stand-in)\n`)
  process.exit(0)
}

const known = [
  'backup',
  'prepare',
  'apply-log-only',
  'stream',
  'target-dir',
  'extra-lsndir',
  'parallel',
  'incremental-lsn',
  'incremental-dir',
  'use-memory',
  'ftwrl-wait-threshold',
  'ftwrl-wait-timeout',
]
const options = new Map()
for (const [index, argument] of given.entries()) {
  const [name, ...value] = argument.replace(/^--/, '').split('=')
  const file = name === 'defaults-file' || name === 'no-defaults'
  // "This option must be given as the first option on the command line".
  if (file && index > 0) refuse(`unknown variable '${argument}'`)
  if (!file && !known.includes(name)) refuse(`unknown option '${argument}'`)
  options.set(name, value.join('='))
}
const checkpointsOf = (directory) => {
  const text = readFileSync(join(directory, 'xtrabackup_checkpoints'), 'utf8')
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' = ')),
  )
}
const checkpointsText = (facts) =>
  `${Object.entries(facts)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n')}\n`

function backup() {
  if (options.get('stream') !== 'xbstream') refuse('Invalid --stream argument')
  const optionFile = readFileSync(options.get('defaults-file') ?? '', 'utf8')
  if (!/^\[client\]\nuser="/m.test(optionFile)) refuse('Failed to connect to MySQL server: Access denied for user')
  const since = options.get('incremental-lsn') ?? '0'
  if (!/^\d+$/.test(since)) refuse(`value '${since}' may be wrong format for incremental option`)
  const incremental = options.has('incremental-lsn')
  const facts = {
    backup_type: incremental ? 'incremental' : 'full-backuped',
    from_lsn: since,
    to_lsn: lsn,
    last_lsn: lsn,
    flushed_lsn: lsn,
    redo_memory: 0,
    redo_frames: 0,
  }
  const info = `uuid = x\ntool_name = xtrabackup\nserver_version = ${version}\nbinlog_pos = filename 'binlog.000003', position '157', GTID of the last change 'a-b:1-5,\nc-d:1'\ninnodb_from_lsn = ${since}\nincremental = ${incremental ? 'Y' : 'N'}\n`
  const files = new Map()
  for (const name of readdirSync(process.env.STAND_IN_DATA ?? '')) {
    const content = readFileSync(join(process.env.STAND_IN_DATA ?? '', name))
    files.set(incremental ? `${name}.delta` : name, content)
  }
  say('Selecting LSN and binary log position from p_s.log_status')
  files.set('xtrabackup_binlog_info', 'binlog.000003\t157\ta-b:1-5,\nc-d:1\n')
  files.set('backup-my.cnf', `[mysqld]\ninnodb_page_size=16384\nserver_uuid=x\nmaster_key_id=0\n`)
  files.set('xtrabackup_checkpoints', checkpointsText(facts))
  files.set('xtrabackup_info', info)
  writeFileSync(join(options.get('extra-lsndir') ?? '', 'xtrabackup_checkpoints'), checkpointsText(facts))
  writeFileSync(join(options.get('extra-lsndir') ?? '', 'xtrabackup_info'), info)
  process.stdout.write(Buffer.concat([...files].map(([name, content]) => streamed(name, Buffer.from(content)))), () => complete())
}

function streamed(name, content) {
  const header = (type) => {
    const bytes = Buffer.alloc(14 + name.length)
    bytes.write('XBSTCK01\0', 'latin1')
    bytes.write(type, 9, 'latin1')
    bytes.writeUInt32LE(name.length, 10)
    bytes.write(name, 14, 'latin1')
    return bytes
  }
  const lengths = Buffer.alloc(20)
  lengths.writeBigUInt64LE(BigInt(content.length), 0)
  lengths.writeUInt32LE(crc32(content), 16)
  return Buffer.concat([header('P'), lengths, content, header('E')])
}

function prepare() {
  const target = options.get('target-dir') ?? ''
  if (!existsSync(join(target, 'xtrabackup_checkpoints'))) refuse('Error: xtrabackup: cannot open xtrabackup_checkpoints')
  const facts = checkpointsOf(target)
  const changes = options.get('incremental-dir')
  if (changes !== undefined) {
    if (facts.backup_type !== 'log-applied')
      refuse('This target seems to be already prepared with --apply-log-only not given: it cannot take an incremental')
    const add = checkpointsOf(changes)
    if (add.backup_type !== 'incremental' || add.from_lsn !== facts.to_lsn)
      refuse(
        "This incremental backup seems not to be proper for the target. Check 'to_lsn' of the target and 'from_lsn' of the incremental.",
      )
    for (const name of readdirSync(changes)) {
      if (name.endsWith('.delta')) writeFileSync(join(target, basename(name, '.delta')), readFileSync(join(changes, name)))
      else if (name.startsWith('xtrabackup_')) writeFileSync(join(target, name), readFileSync(join(changes, name)))
    }
    facts.to_lsn = add.to_lsn
    facts.last_lsn = add.last_lsn
  } else if (facts.backup_type !== 'full-backuped') refuse('This target seems to be already prepared.')
  facts.backup_type = options.has('apply-log-only') ? 'log-applied' : 'full-prepared'
  writeFileSync(join(target, 'xtrabackup_checkpoints'), checkpointsText(facts))
  complete()
}

function complete() {
  say('completed OK!')
  process.exit(0)
}

if (options.has('backup')) {
  mkdirSync(options.get('target-dir') ?? '', { recursive: true })
  backup()
} else if (options.has('prepare')) prepare()
else refuse('Usage: xtrabackup --backup | --prepare')
