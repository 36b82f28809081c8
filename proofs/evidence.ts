import { appendFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Figures that a sweep has seen, kept for `docs/evidence.md` when `npm run test:sweep` asks for them. */
export async function recordEvidence(testUrl: string, figures: Readonly<Record<string, number | string>>): Promise<void> {
  const file = process.env.BACKUP_PLANET_EVIDENCE
  if (file === undefined) return
  const test = relative(fileURLToPath(new URL('..', import.meta.url)), fileURLToPath(testUrl)).replaceAll('\\', '/')
  await appendFile(file, `${JSON.stringify({ test, figures })}\n`)
}
