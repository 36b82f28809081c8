import type { ChainLink } from './chain-link.ts'

export interface RestorableItems {
  /** What comes back from these backups together; an item that is asked for and lost in one of them does not. */
  readonly items: readonly string[]
  readonly failed: readonly { readonly item: string; readonly backup: string }[]
}

export function restorableItems(links: readonly ChainLink[], asked: readonly string[] | undefined): RestorableItems {
  const failed = links.flatMap((link) => link.failed.map((item) => ({ item, backup: link.id })))
  const lost = new Set(failed.map(({ item }) => item))
  const limits = links.flatMap(({ backup }) => (backup.limitedTo === undefined ? [] : [backup.limitedTo]))
  const all = new Set(links.flatMap(({ backup }) => backup.items.map(({ item }) => item)))
  const items = [...all].filter(
    (item) => !lost.has(item) && (asked?.includes(item) ?? true) && limits.every((limit) => limit.includes(item)),
  )
  return { items, failed }
}
