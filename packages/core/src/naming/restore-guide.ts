/** In every `RESTORE.md`: what comes before is how to get at the files, what comes behind is what the agent wrote about them. */
export const agentGuideHeading = '## 3. Bring it back'

/** The agent's part of a `RESTORE.md`; empty where there is none. */
export function agentGuideOf(guide: string): string {
  const at = guide.indexOf(`\n${agentGuideHeading}\n`)
  return at < 0 ? '' : guide.slice(at + agentGuideHeading.length + 2).trim()
}
