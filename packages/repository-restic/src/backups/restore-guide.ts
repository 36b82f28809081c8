import { fileURLToPath } from 'node:url'
import { agentGuideHeading, type Manifest } from '@backup-planet/core'
import { encodeTag, sourcePath } from './backup-tree.ts'

/**
 * `RESTORE.md` in a snapshot: this very backup, restored with `restic` alone. The agent's part goes on where every item has a folder
 * below `restored`.
 */
export function restoreGuideText(manifest: Manifest, destination: string, restoreGuide: string): string {
  const failed = manifest.items.filter((item) => item.failure !== undefined)
  const source = sourcePath(manifest)
  return [
    `# Restore ${manifest.application} backup ${manifest.id} by hand`,
    `This ${manifest.kind} backup of ${inline(manifest.source.name)} (${inline(manifest.source.version)}) shows the data as of ${manifest.consistentAt}. It was taken for the job ${inline(manifest.job)}.`,
    ...(failed.length === 0
      ? []
      : [`**It is partial.** These items failed and are not in it: ${failed.map(({ item }) => inline(item)).join(', ')}.`]),
    'You need `restic` (0.14 or newer), bash and the password of the repository, and nothing of Backup Planet.',
    '## 1. Say where the repository is',
    block([
      `export RESTIC_REPOSITORY=${quoted(resticLocation(destination) ?? 'as-restic-writes-it')}`,
      'export RESTIC_PASSWORD_FILE=path/to/the/password   # or let restic ask for it',
    ]),
    ...(resticLocation(destination) === undefined
      ? [
          `It was ${inline(destination)} when this was written; see https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html for how restic writes such a place.`,
        ]
      : []),
    '## 2. Unpack',
    'Restic checks every byte on the way.',
    block([
      'set -euo pipefail',
      `restic restore latest --tag ${quoted(encodeTag(`id=${manifest.id}`))} --target unpacked`,
      `mv ${quoted(`unpacked/${source.join('/')}`)} restored`,
    ]),
    'Each item now has a folder below `restored`; `unpacked/manifest.json` says what everything is.',
    agentGuideHeading,
    restoreGuide.trim() === '' ? 'The application left no instructions.' : restoreGuide.trim(),
    '',
  ].join('\n\n')
}

/** How restic names a place; `undefined` where it must be told more than the place. */
export function resticLocation(destination: string): string | undefined {
  return destination.startsWith('file:') ? fileURLToPath(destination) : undefined
}

function block(lines: readonly string[]): string {
  return ['```bash', ...lines, '```'].join('\n')
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./%=:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Text from elsewhere as inline code that cannot end its paragraph or the code. */
function inline(text: string): string {
  return `\`${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('`', "'")}\``
}
