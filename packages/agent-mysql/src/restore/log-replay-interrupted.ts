/** ER_SERVER_SHUTDOWN, ER_QUERY_INTERRUPTED, ER_CONNECTION_KILLED, ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT: nobody knows how far a statement had come. */
export const interrupted: ReadonlySet<number> = new Set([1053, 1317, 1927, 1969, 3024])

/** Neither way of replaying can do it. */
export const halfDoneHint =
  'Restore anew to right before it (beforePosition), or without it (skipGtids), and do by hand what it was to do. No way of replaying logs can tell.'

/** The same of files that LOAD DATA had sent. */
export const loadHint =
  'Restore anew to right before it (beforePosition), or without it (skipGtids), and load its file by hand. No way of replaying logs hands such files on.'
