import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { seededRandom } from '../../../proofs/sweep.ts'
import type { ResticPruneReport } from '../src/index.ts'
import { createPrunePlace, type PrunePlace } from './prune-place.ts'
import { resticProgram } from './restic-command.ts'

const kills = Number(process.env.BACKUP_PLANET_RESTIC_PRUNE_KILLS ?? 3)
const seed = Number(process.env.BACKUP_PLANET_SEED ?? randomInt(2 ** 31))
/** So many kills share one repository. */
const killsPerRepository = 10
/** Restic reads every byte of the repository after so many kills. */
const readDataEvery = 5
/** Backups that are kept; the oldest go as new ones come. */
const backupsKept = 3
const filesThereAre = 30
const filesOfBackup = 10

it.skipIf(resticProgram === undefined)(
  `kill -9 at ${kills} random moments of a prune: restic finds no error, the kept backups restore, and the next prune ends the job (seed ${seed})`,
  { timeout: 60_000 + 30_000 * kills },
  async () => {
    const random = seededRandom(seed)
    const below = (limit: number) => Math.floor(random() * limit)
    const hits: Record<string, number> = {}
    let place: PrunePlace | undefined
    try {
      for (let point = 0; point < kills; point++) {
        if (place === undefined || point % killsPerRepository === 0) {
          await place?.[Symbol.asyncDispose]()
          place = await createPrunePlace()
        }
        while (place.kept <= backupsKept) await place.store(Array.from({ length: filesOfBackup }, () => below(filesThereAre)))
        while (place.kept > backupsKept) await place.remove(below(place.kept))
        const request = { keepYoungerThanSeconds: 0, maxUnusedShare: [0, 0.05, 0.3][below(3)] ?? 0 }
        const planned = await place.open().prune({ ...request, dryRun: true })
        const [begin = '', count = 1] = momentsOf(planned)[below(8)] ?? []
        const said = await pruneUntil(place, request, { begin, occurrence: 1 + below(Math.max(1, count)), delay: random() * 4 })
        const reached = momentOf(said)
        hits[reached] = (hits[reached] ?? 0) + 1

        await place.restic.run(['unlock'])
        expect(await place.restic.run(['check', ...(point % readDataEvery === 0 ? ['--read-data'] : [])])).toContain('no errors were found')
        await place.expectRestorable()
        // Every second is left to the prune after the next kill.
        if (random() < 0.5) continue
        const report = await place.open().prune(request)
        expect(report.keptUnusedBytes).toBeLessThanOrEqual(request.maxUnusedShare * (report.usedBytes + report.keptUnusedBytes))
        expect((await place.open().stats()).unusedBytes).toBe(report.keptUnusedBytes)
        expect(await place.restic.run(['check'])).toContain('no errors were found')
        await place.expectRestorable()
      }
      await place?.expectWhole()
    } finally {
      await place?.[Symbol.asyncDispose]()
    }
    await recordEvidence(import.meta.url, hits)
    expect(hits['after the end'] ?? 0, `most kills hit a running prune: ${JSON.stringify(hits)}`).toBeLessThan(Math.max(2, kills / 2))
  },
)

/** Beginnings of lines, as often each as there may be such a line: removals are many, and writing is as good to be interrupted. */
function momentsOf({ removedPacks, repackedPacks, indexFilesReplaced }: ResticPruneReport): (readonly [begin: string, count: number])[] {
  const packs = removedPacks + repackedPacks
  return [
    ['upload locks/', 1],
    ['upload data/', Math.ceil(repackedPacks / 4)],
    ['uploaded data/', Math.ceil(repackedPacks / 4)],
    ['upload index/', 2],
    ['uploaded index/', 2],
    ['remove index/', indexFilesReplaced],
    ['remove data/', packs],
    ['removed data/', packs],
  ]
}

/** What the last line says, as far as the order of things goes. */
function momentOf(said: readonly string[]): string {
  const [what = '', key = ''] = said.findLast((line) => line === 'pruned' || !line.includes('locks/'))?.split(' ') ?? []
  if (what === 'pruned') return 'after the end'
  if (what === '') return 'before it wrote anything'
  return `${what.startsWith('upload') ? 'writing' : 'removing'} ${key.startsWith('data/') ? 'packs' : 'index files'}`
}

/** The lines that were said until the process was killed, so many milliseconds behind one that begins like this, or had ended before. */
function pruneUntil(
  place: PrunePlace,
  request: object,
  kill: { readonly begin: string; readonly occurrence: number; readonly delay: number },
): Promise<string[]> {
  const script = path.join(import.meta.dirname, 'prune-until-killed.ts')
  const child = spawn(
    process.execPath,
    ['--conditions=@backup-planet/source', '--no-warnings', script, place.folder, JSON.stringify(request), JSON.stringify(kill)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const said: string[] = []
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => said.push(line))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL' || code === 0) resolve(said)
      else reject(new Error(`the prune ended by itself with ${code}, after ${said.join(', ')}`))
    })
  })
}
