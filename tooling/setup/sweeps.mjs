/**
 * What `npm run test:sweep` repeats, and how often; `npm test` does a few of each. An environment variable of the same name
 * wins. The seed of all is `BACKUP_PLANET_SEED`; `seeded: false` where nothing is left to chance. `more` are further variables.
 */
export const sweeps = [
  {
    variable: 'BACKUP_PLANET_MONEY_COUNT',
    count: 50,
    test: 'proofs/money.test.ts',
    says: 'backups while writers move money between accounts: the sum, the ledger and every single account agree after the restore',
  },
  {
    variable: 'BACKUP_PLANET_KILL_COUNT',
    count: 100,
    test: 'proofs/kill.test.ts',
    says: 'kill -9 of the running command at random moments: everything listed restores, the server is free at once, the next run is clean',
  },
  {
    variable: 'BACKUP_PLANET_DAMAGE_COUNT',
    count: 60,
    test: 'proofs/damaged.test.ts',
    says: 'objects of a backup with a flipped bit, cut short, or removed: found by verify, and never restored as if they were whole',
  },
  {
    variable: 'BACKUP_PLANET_SCHEMA_COUNT',
    count: 150,
    test: 'packages/agent-mysql/e2e/round-trip-generated.test.ts',
    says: 'generated schemas backed up, dropped and restored: mariadb-dump prints the same before and after',
  },
  {
    variable: 'BACKUP_PLANET_ARCHIVE_COUNT',
    count: 100,
    test: 'packages/repository-archive/src/archive-properties.test.ts',
    says: 'generated trees of files in every format, plain and encrypted, interrupted and resumed: the same bytes come back',
  },
  {
    variable: 'BACKUP_PLANET_CHAIN_COUNT',
    count: 20_000,
    test: 'packages/core/src/chain/chain-properties.test.ts',
    says: 'histories of a model server that purges its logs, forks, goes back and has its clock set, with backups lost: a plan whenever a moment can be reached, never another, and it gives exactly the state of that moment',
  },
  {
    variable: 'BACKUP_PLANET_SCHEDULE_COUNT',
    count: 10_000,
    test: 'packages/core/src/schedule/schedule-properties.test.ts',
    says: 'simulated years of random schedules with outages, lost state, clocks that are set and changed, leap days, long runs and failures: no slot missed and not made up for, none doubled',
  },
  {
    variable: 'BACKUP_PLANET_LEASE_COUNT',
    count: 2000,
    test: 'packages/core/src/schedule/lease-properties.test.ts',
    says: 'machines that take one lease of a slow store that fails, and are suspended or vanish while they hold it: never two hold it at once',
  },
  {
    variable: 'BACKUP_PLANET_RETENTION_COUNT',
    count: 10_000,
    test: 'packages/core/src/retention/retention-properties.test.ts',
    says: 'histories of the same model server pruned by random rules: every moment and position by a kept backup has a plan as before, to the same state; the last restorable one stays; pruned again, nothing more goes',
  },
  {
    variable: 'BACKUP_PLANET_MYSQL_HISTORIES',
    count: 200,
    test: 'packages/agent-mysql/e2e/log-histories.test.ts',
    says: 'a MariaDB that is written to, backed up, purged, reset, restarted and killed, restored to three random moments of each history: the rows are those of the journal of the writers',
  },
  {
    variable: 'BACKUP_PLANET_RUNS',
    count: 40,
    test: 'packages/agent-mysql/e2e/restore-interrupted.test.ts',
    says: 'kill -9 of a restore, up to three times in a row: it goes on where it stopped, and the schema is the one that was backed up',
  },
  {
    variable: 'BACKUP_PLANET_REPLAY_KILLS',
    count: 40,
    test: 'packages/agent-mysql/e2e/log-restore-interrupted.test.ts',
    says: 'kill -9 of a restore while it replays logs, up to three times in a row: it goes on right where it stopped, and no transaction is applied twice',
  },
  {
    variable: 'BACKUP_PLANET_PHYSICAL_KILLS',
    count: 20,
    test: 'packages/agent-mysql/e2e/physical-interrupted.test.ts',
    says: 'kill -9 of physical captures and restores: no lock stays on the server, the data directory is as it was or whole, and a plan made anew comes to its end',
  },
  {
    variable: 'BACKUP_PLANET_SWEEP',
    count: 1,
    seeded: false,
    test: 'packages/repository-archive/e2e/large-entries.test.ts',
    says: 'entries beyond 4 GiB in zip and 8 GiB in tar: read by unzip, tar and by us',
  },
  {
    variable: 'BACKUP_PLANET_RESTIC_STORE_KILLS',
    count: 200,
    test: 'packages/repository-restic/e2e/killed-store.test.ts',
    says: 'kill -9 of a store into a restic repository: restic finds no error, all that is listed restores, the next run sends only what was not stored',
  },
  {
    variable: 'BACKUP_PLANET_RESTIC_PRUNE_KILLS',
    count: 200,
    test: 'packages/repository-restic/e2e/prune-killed.test.ts',
    says: 'kill -9 of a prune of a restic repository: restic finds no error, the kept backups restore, the next prune ends the job',
  },
  {
    variable: 'BACKUP_PLANET_RESTIC_EVERY_BYTE',
    count: 1,
    test: 'packages/repository-restic/src/corruption.test.ts',
    says: 'every single byte of a restic repository flipped, keys and config, snapshots, indexes and packs: found, named, and the backups not hit restore',
  },
  {
    variable: 'BACKUP_PLANET_RESTIC_PRUNE_SCENARIOS',
    count: 100,
    test: 'packages/repository-restic/src/maintenance/repository-pruning.test.ts',
    says: 'generated backups of which some are removed, and prunes that are cut up to three times: every backup is whole each time, and the next prune finishes the job',
  },
  {
    variable: 'BACKUP_PLANET_RESTIC_FAULTS',
    count: 150,
    test: 'packages/repository-restic/src/store-faults.test.ts',
    says: 'a store that is overloaded, cuts, ends short, answers nothing, is slow, hides what it was given or turns bits: nothing is listed that does not restore',
  },
  {
    variable: 'BACKUP_PLANET_S3_FAULTS_COUNT',
    count: 300,
    test: 'packages/uploader-s3/e2e/faults.test.ts',
    says: 'uploads to a real S3 store over a network that cuts, stalls, resets, turns bits and loses answers, and a gateway that says 500, 503 and 403: nothing lost, nothing half visible, nothing left after the next run',
  },
  {
    variable: 'BACKUP_PLANET_S3_KILL_COUNT',
    count: 40,
    test: 'packages/uploader-s3/e2e/killed-upload.test.ts',
    more: { BACKUP_PLANET_S3_KILL_MEBIBYTES: '2048' },
    says: 'kill -9 of an upload to a real S3 store, the first of them of 2 GiB: the next process sends nothing again that the store has confirmed',
  },
  {
    variable: 'BACKUP_PLANET_SFTP_KILL_MEBIBYTES',
    count: 2048,
    seeded: false,
    test: 'packages/uploader-sftp/e2e/resume.test.ts',
    says: 'kill -9 of an upload of so many MiB to a real SFTP server, with and without sha256sum there: the next process sends at most 8 MiB twice',
  },
  {
    variable: 'BACKUP_PLANET_SFTP_FAULTS',
    count: 300,
    test: 'packages/uploader-sftp/e2e/network-faults.test.ts',
    says: 'a network that cuts, resets, stalls and slows connections to a real SFTP server: nothing is lost or half visible, the next run leaves no part behind',
  },
  {
    variable: 'BACKUP_PLANET_SFTP_CONTRACTS',
    count: 1,
    seeded: false,
    test: 'proofs/repositories-on-sftp.test.ts',
    says: 'both repositories keep their contract on internal-sftp, plain, in a chroot and behind a jump host, and restic reads what was stored',
  },
]
