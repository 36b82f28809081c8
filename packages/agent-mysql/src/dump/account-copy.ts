import type { ItemFailure, OperationOptions, Position, Stage } from '@backup-planet/core'
import { type DumpAccount, layoutFiles } from '../dump-layout.ts'
import { accountsSql } from './account-inventory.ts'
import { jsonLines } from './item-files.ts'

export interface AccountCopyOptions {
  readonly stage: Stage
  readonly item: string
  readonly metadata: string
  readonly position: Position | undefined
  readonly accounts: { readonly accounts: readonly DumpAccount[] } | { readonly failure: ItemFailure }
  readonly onProgress: OperationOptions['onProgress']
}

/** Stages the accounts of the server as an item of its own. */
export class AccountCopy {
  readonly #options: AccountCopyOptions

  constructor(options: AccountCopyOptions) {
    this.#options = options
  }

  async copy(signal: AbortSignal): Promise<void> {
    const { stage, item, metadata, accounts: found, position, onProgress } = this.#options
    if ('failure' in found) {
      await stage.failItem(item, found.failure)
      onProgress?.({ type: 'item', phase: 'capture', item, state: 'failed' })
      return
    }
    const { accounts } = found
    onProgress?.({ type: 'item', phase: 'capture', item, state: 'begun' })
    let bytes = 0
    for (const [name, text] of [
      [layoutFiles.metadata, metadata],
      [layoutFiles.objects, jsonLines(accounts)],
      [layoutFiles.users, accountsSql(accounts)],
    ] as const) {
      const content = Buffer.from(text)
      bytes += content.length
      await stage.write({ item, name }, oneBlock(content), { signal })
    }
    await stage.sealItem({ item, ...(position === undefined ? {} : { to: position }), bytes, facts: { accounts: accounts.length } })
    onProgress?.({ type: 'item', phase: 'capture', item, state: 'ended' })
  }
}

export async function* oneBlock(block: Uint8Array): AsyncGenerator<Uint8Array> {
  yield block
}
