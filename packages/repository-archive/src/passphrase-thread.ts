import { parentPort, workerData } from 'node:worker_threads'
import { type PassphraseTask, performTask } from './passphrase-task.ts'

parentPort?.postMessage(await performTask(workerData as PassphraseTask))
