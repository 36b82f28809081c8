import type { Json } from '../contracts/index.ts'

/**
 * Who takes part in the store of a stage, as the notes of the stage say. Which files are gone depends on it: one that joins later, or that
 * the others have gone on without, can never have all of them.
 */
export interface StageParticipants {
  /** What a repository has noted by itself in earlier attempts. */
  notesOf(destination: string): readonly Json[]
  /** Those that take part and were not given up. */
  readonly wanted: readonly string[]
  /** Nothing was released without it having the file. */
  hasAll(destination: string): boolean
  /** How a note of its own is kept. */
  noteFor(destination: string, note: Json): Json
}

/** Among the notes of a stage: who takes part from the beginning. Their own notes are kept as they are for the first, so that it can go on alone. */
export function participantsNote(destinations: readonly string[]): Json {
  return { mirrored: { destinations: [...destinations] } }
}

/** The others have gone on without this one. */
export function missedNote(destination: string): Json {
  return { mirrored: { missed: destination } }
}

type MirrorNote = Readonly<{
  mirrored: Readonly<{ destinations?: readonly string[]; missed?: string; of?: string; note?: Json }>
}>

export function isMirrorNote(note: Json): note is Json & MirrorNote {
  return typeof note === 'object' && note !== null && 'mirrored' in note && typeof note.mirrored === 'object' && note.mirrored !== null
}

/**
 * @param notes of the stage, from all attempts
 * @param first of this attempt; notes of a stage that was stored without mirrors until now are its own
 */
export function stageParticipants(notes: readonly Json[], first: string): StageParticipants {
  const mirrorNotes = notes.filter(isMirrorNote).map(({ mirrored }) => mirrored)
  const begun = mirrorNotes.find(({ destinations }) => destinations !== undefined)?.destinations
  const plain = begun?.[0] ?? first
  const taking = new Set(begun ?? [first])
  const missed = new Set(mirrorNotes.map((note) => note.missed))
  return {
    wanted: [...taking].filter((destination) => !missed.has(destination)),
    notesOf: (destination) =>
      destination === plain
        ? notes.filter((note) => !isMirrorNote(note))
        : mirrorNotes.flatMap(({ of, note }) => (of === destination && note !== undefined ? [note] : [])),
    hasAll: (destination) => taking.has(destination) && !missed.has(destination),
    noteFor: (destination, note) => (destination === plain ? note : { mirrored: { of: destination, note } }),
  }
}
