/** Runs one part of the check and prints one line about it, or everything it found. Resolves with whether it passed. */
export async function runBlock(name: string, block: () => Promise<string>): Promise<boolean> {
  const begun = performance.now()
  const time = () => `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`
  try {
    const summary = await block()
    process.stdout.write(`  ✓ ${name.padEnd(22)} ${time()}  ${summary}\n`)
    return true
  } catch (error) {
    const found = error instanceof CheckFailure ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stdout.write(`  ✗ ${name.padEnd(22)} ${time()}\n\n${found.trimEnd().replace(/^/gm, '    ')}\n\n`)
    return false
  }
}

/** What a check found, for the reader of the terminal. */
export class CheckFailure extends Error {
  override readonly name = 'CheckFailure'
}
