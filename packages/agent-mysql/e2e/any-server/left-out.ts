/** Why the other tests with servers run on the throwaway MariaDB alone, by the beginnings of their names. What they prove of any server is proven again here, in less detail. */
export const leftOut: readonly (readonly [names: readonly string[], reason: string])[] = [
  [
    ['binlog-follow', 'binlog-stream', 'log-chain', 'log-follower', 'log-pipeline', 'log-promotion', 'log-trouble'],
    'compare with the files of the server, which lie in a container elsewhere, purge and kill it; logs.test.ts proves what is left',
  ],
  [
    ['follow-unlogged-restore', 'log-after-unlogged-restore', 'log-histories', 'log-replay-ways', 'log-restore', 'replay-by-hand'],
    'need two servers, sequences or mariadb-binlog; logs.test.ts has a history and stops of its own',
  ],
  [['binlog-encrypted'], 'the file_key_management plugin of MariaDB'],
  [
    ['capture-', 'server-defaults', 'silent-server'],
    'start servers with options, kill them, or look at locks in the words of MariaDB (BACKUP STAGE, metadata_lock_info)',
  ],
  [['physical-'], 'mariadb-backup and a data directory of this machine; xtrabackup by a stand-in'],
  [['scratch'], 'start private servers of this machine, and look for what is left of them'],
  [
    ['restore', 'round-trip-'],
    'compare by mariadb-dump and make sequences, system-versioned tables and seq_1_to_n; round-trip.test.ts compares by SHOW CREATE',
  ],
  [['documented-plan', 'mysql-agent.contract'], 'are about one server of a known version, with sequences'],
  [['statement-selection'], 'bring scripted servers'],
]

export function whyLeftOut(file: string): string | undefined {
  return leftOut.find(([names]) => names.some((name) => file.startsWith(name)))?.[1]
}
