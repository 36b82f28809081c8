import type { RunEvent } from '@backup-planet/core'

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { readonly type: Type }>
/** The words in front say whether the field can be left out; the types below make that be true. */
type FieldText<Value> = undefined extends Value ? `optional: ${string}` : `always: ${string}`

interface EventText<Type extends RunEvent['type']> {
  readonly when: string
  readonly fields: { readonly [Field in keyof Required<Omit<EventOf<Type>, 'type'>>]: FieldText<Omit<EventOf<Type>, 'type'>[Field]> }
}

/** Every event of a run with every field. What is missing or does not exist is an error of the compiler, so that this cannot go stale. */
export const eventTexts: { readonly [Type in RunEvent['type']]: EventText<Type> } = {
  started: {
    when: 'first of all',
    fields: {
      action: 'always: `backup`, `restore`, `files`, `verify`, `copy`, `prune` or `drill`',
      job: 'optional: name of the job',
      id: 'optional: of the backup that is made or read; of the plan for a restore; of the record for a drill',
      application: 'optional: such as `mysql`',
      kind: 'optional: `full`, `differential` or `log`, as asked for',
    },
  },
  resuming: {
    when: 'before the capture, when an earlier run captured what it could not send. `bytes` of `store` are of that run until `stored`',
    fields: { id: 'always: of the run that is sent first' },
  },
  promoted: {
    when: 'the capture has begun, and is of another kind than was asked for',
    fields: {
      asked: 'always: the kind that was asked for',
      kind: 'always: the kind that is made',
      reason: 'optional: why, in the words of the agent',
    },
  },
  following: {
    when: 'of `follow`, between runs: what was due is stored, and what comes is stored from now on, each time as a run of its own',
    fields: { job: 'always: name of the job' },
  },
  restorable: {
    when: 'of `follow`, between runs, after each that stored something whole',
    fields: {
      until: 'always: everything that was changed before it can be restored; by the clock of the server, in UTC',
      id: 'always: of the backup that is the last for it',
    },
  },
  waiting: {
    when: 'of `follow`, between runs: it cannot go on for now, such as without the server, and begins again; within one of its runs: what has come is stored when another run of the job has ended, however long that takes, said once',
    fields: {
      seconds: 'always: until then; within a run: how often it is looked whether the other has ended',
      problem: 'always: why, as in `problem`',
      repeated: 'optional: true where that is as it was said before, and nothing was followed in between',
    },
  },
  step: { when: 'a step of the plan begins', fields: { text: 'always: one sentence, as in the plan' } },
  item: {
    when: 'an item begins, ends or fails in a phase',
    fields: {
      phase: 'always: `capture`, `store`, `read`, `restore` or `verify`; several run at once',
      item: 'always: its name, such as the database',
      state: 'always: `begun`, `ended` or `failed`',
      bytesTotal: 'optional: as the application estimates it, with `begun`',
    },
  },
  bytes: {
    when: 'bytes have moved; at most ten times a second and phase',
    fields: {
      phase: 'always: see `item`',
      item: 'optional: the one that moved last',
      bytes:
        'always: of this phase since the start; never less than before. Of the application for `capture` and `restore`, of staged files for the others',
      expected: 'optional: of this phase at its end. It may grow, and is exact for `store` once `captured` was said',
      rows: 'optional: of this phase since the start',
      rate: 'always: bytes a second, smoothed over some seconds',
    },
  },
  captured: {
    when: 'the capture is complete: the server is not read any more, and only storing is left',
    fields: {
      items: 'always: how many items are whole',
      failed: 'always: how many are not',
      bytes: 'always: captured, as the application counts',
    },
  },
  stalled: { when: 'no byte has moved for a minute, and again every minute', fields: { seconds: 'always: since the last byte' } },
  problem: {
    when: 'something the operator should know; the run goes on',
    fields: {
      problem: 'always: object of `severity` (`error`, `warning`), `code`, `message`, `hint` and, where it is of one, `item`',
    },
  },
  stored: {
    when: 'a backup is committed: from now on it exists',
    fields: {
      id: 'always: of the backup',
      status: 'always: `complete`, or `partial` when an item failed',
      resumed: 'always: whether it is the one of `resuming`',
      storedBytes: 'optional: what it takes in the store, compressed and encrypted, where the repository knows',
    },
  },
  removed: {
    when: 'of `prune`: a backup was removed, as the retention says, and is listed no more',
    fields: { id: 'always: of the backup', kind: 'always: `full`, `differential` or `log`' },
  },
  drilled: {
    when: 'a drill has ended, and its scratch place is gone; there is none of a drill that was aborted',
    fields: {
      job: 'always: name of the job',
      id: 'always: of the record of the drill',
      outcome:
        'always: `passed`, `partial` where something beside it needs somebody, `failed`, or `impossible` where it did not come to a restore',
      stored: 'always: in how many places the record lies',
      failure: 'optional: object of `code`, `message` and, where there is one, `hint`: why it did not pass',
    },
  },
  confirmed: {
    when: 'the application was told that its data is safe; never for a partial backup',
    fields: { id: 'always: of the backup' },
  },
  finished: {
    when: 'last event of every run, however it ends',
    fields: {
      outcome: 'always: `done`, `partial`, `failed` or `aborted`',
      seconds: 'always: since `started`',
      bytes: 'always: of the phase that moved most',
    },
  },
}

/** The lines of `--json` that are no events: one result or failure at the end, and what lists are made of. */
export const lineTexts = {
  'result of init': ['file', 'written', 'repositories', 'passwordFile'],
  'result of discover': ['job', 'source'],
  'result of check': ['job', 'problems'],
  'result of run --plan': ['job', 'plan'],
  'result of run': ['job', 'backup', 'resumed', 'confirmed', 'problems', 'reason', 'seconds', 'bytes', 'storedBytes'],
  'result of follow': ['job', 'stored', 'restorableUntil', 'problems'],
  'result of list': ['backups', 'unreadable'],
  'result of windows': ['job', 'windows', 'gaps', 'pointInTime', 'restorableUntil', 'backup', 'unlisted', 'unreadable'],
  'result of restore --plan': ['backup', 'plan'],
  'result of restore': ['backup', 'plan', 'report'],
  'result of files': ['backup', 'backups', 'directory', 'report'],
  'result of verify': ['whole', 'errors', 'warnings'],
  'result of drill': ['job', 'evidence', 'signature', 'stored', 'problems'],
  'result of evidence': ['job', 'records', 'unreadable'],
  'result of evidence new-key': ['file', 'publicKey', 'keyId'],
  'result of copy': ['to', 'copied', 'there', 'failed'],
  'result of prune': ['repository', 'report'],
  'result of prune JOB': ['job', 'dryRun', 'repositories', 'failed'],
  'result of stats': ['repository', 'statistics'],
  'result of report': ['file', 'report'],
  'result of key list': ['repository', 'keys'],
  'result of key add': ['repository', 'id'],
  'result of key remove': ['repository', 'id'],
  'result of key passwd': ['repository', 'id', 'file'],
  'result of unlock': ['repository', 'removed', 'left'],
  'result of rebuild-index': ['repository', 'report'],
  'result of status': ['daemon', 'jobs'],
  'result of notify': ['channels'],
  'result of version': ['version', 'node'],
  failure: ['code', 'message', 'hint'],
  'backup (list)': ['repository', 'backup', 'storedBytes'],
  'finding (verify)': ['repository', 'finding'],
  copy: ['job', 'id', 'copied'],
  'retention (prune)': ['repository', 'job', 'id', 'kind', 'beganAt', 'action', 'reasons'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** What `daemon` writes besides the events of its runs. */
export const daemonLineTexts = {
  'daemon-started': ['at', 'jobs'],
  'configuration-reloaded': ['at', 'jobs'],
  'configuration-refused': ['at', 'failure'],
  'daemon-stopping': ['at', 'graceSeconds'],
  'run-started': ['at', 'run'],
  'run-ended': ['at', 'run', 'outcome', 'seconds', 'backup', 'failure', 'problems', 'retryAt', 'lasting', 'givenUp'],
  'run-deferred': ['at', 'run', 'seconds', 'problem'],
  'run-fulfilled-elsewhere': ['at', 'run'],
  'slots-left-out': ['at', 'job', 'task', 'slot', 'slots'],
  'history-unknown': ['at', 'job', 'problem'],
  'schedule-broken': ['at', 'job', 'problem'],
  'state-unsaved': ['at', 'problem'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** `docs/events.md`. */
export function eventDocumentation(): string {
  const events = Object.entries(eventTexts).flatMap(([type, { when, fields }]: readonly [string, EventText<RunEvent['type']>]) => {
    const rows = Object.entries<string>(fields).map(([field, text]) => {
      const [, left, meaning] = /^(always|optional): (.*)$/s.exec(text) ?? []
      return `| | \`${field}\`${left === 'optional' ? ' *' : ''} | ${meaning} |`
    })
    return [`| \`${type}\` | | **${when}** |`, ...rows]
  })
  const lines = Object.entries<readonly string[]>({ ...lineTexts, ...daemonLineTexts }).map(
    ([name, fields]) => `| ${name} | ${fields.map((field) => `\`${field}\``).join(', ')} |`,
  )
  return `# Events

Everything that happens during \`run\`, \`follow\`, \`restore\`, \`files\`, \`verify\`, \`copy\`, \`prune JOB\` and \`drill\`, as plain data without secrets: enough to draw
a progress display, keep metrics or raise an alarm. As a library, pass \`onEvent\` to \`backUp\`, \`followLogs\`, \`restore\`, \`extractFiles\`,
\`verify\`, \`copyBackup\`, \`applyRetention\` or \`drill\`; on the command line, \`--json\` writes each as one line to standard output. \`prune\`, \`stats\` and \`rebuild-index\` write those of \`step\`, \`bytes\`,
\`problem\` and \`stalled\`. This page is made from the types that the code is compiled
against, and a test compares it with what the commands print.

Fields marked * can be missing. Fields and events may be added in any release: ignore what you do not know. Names and meanings
of those that are there change only with a major version.

| event (\`type\`) | field | is |
|---|---|---|
${events.join('\n')}

How a backup goes: \`started\`, perhaps \`resuming\` … \`stored\`, perhaps \`promoted\`; then \`step\`, \`item\` and \`bytes\` of \`capture\` and \`store\`
mixed; \`captured\`; the rest of \`store\`; \`stored\`, \`confirmed\`, \`finished\`. A display shows the phase \`capture\` with its \`expected\` until
\`captured\`, and \`store\` with its \`expected\` from then on. \`follow\` makes one run after the other, each from \`started\` to \`finished\`.

## The other lines of \`--json\`

Results have the field \`command\` as well. \`plan\`, \`backup\`, \`source\`, \`report\`, \`finding\`, \`statistics\`, \`keys\` and \`left\` (locks) are
the values of the contracts in [\`packages/core/src/contracts\`](../packages/core/src/contracts), \`windows\` and \`gaps\`
of the chain planner in [\`packages/core/src/chain\`](../packages/core/src/chain); a \`backup\` is a manifest, with a
[JSON Schema](../packages/core/manifest.schema.json). A restore whose plan has errors has \`report: null\`.

| line (\`type\`) | fields |
|---|---|
${lines.join('\n')}

\`daemon\` writes the events of its runs as well, but for \`bytes\`, \`item\` and \`step\`, each with \`at\`, \`job\` and \`task\`; its own lines are those with \`at\` above. What a \`run\` is, and when each
is written, says [\`schedule-event.ts\`](../packages/core/src/schedule/schedule-event.ts). It ends without a \`result\`.

The last line of every other command is a \`result\`, or a \`failure\`; after it the exit code says the same:
0 done, 1 failed, 2 usage or configuration, 3 partial, 130 aborted.
`
}
