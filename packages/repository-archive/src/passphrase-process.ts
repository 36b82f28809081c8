import { text } from 'node:stream/consumers'
import { parsePassphraseTask, passphraseAnswerText, performTask } from './passphrase-task.ts'

// The program of the process: a task on standard input, its answer on standard output.
process.stdout.write(passphraseAnswerText(await performTask(parsePassphraseTask(await text(process.stdin)))))
