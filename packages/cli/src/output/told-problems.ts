import type { Problem } from '@backup-planet/core'

/** Remembers what a command has told already: plans, runs and reports often find the same. Returns what is new of a list, each once. */
export function createToldProblems(): (problems: readonly Problem[]) => readonly Problem[] {
  const told = new Set<string>()
  return (problems) =>
    problems.filter(({ severity, code, message, hint, item }) => {
      const key = JSON.stringify([severity, code, message, hint, item])
      if (told.has(key)) return false
      told.add(key)
      return true
    })
}
