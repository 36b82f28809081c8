import type { StageContents } from '../contracts/index.ts'
import { SharedDrain } from './shared-drain.ts'
import { missedNote, participantsNote, stageParticipants } from './stage-participants.ts'

/** One of several who drain the same stage. */
export interface MirroredBranch {
  readonly contents: StageContents
  /** Files may be gone that it never had: it must not store what is left as if that were all. */
  readonly missed: boolean
  /** It has committed: nothing is kept for it any more. */
  leave(): Promise<void>
  /** It has failed, and the others go on: as soon as only it needs a file, the stage notes durably that it misses the run, and the file goes. */
  giveUp(): Promise<void>
}

export interface MirroredContents {
  readonly branches: readonly MirroredBranch[]
  /** Says to all who are stopped that the stage will be sent again, so that they keep what they have sent. */
  keepForLater(): void
  /** Nobody drains any more; resolves when the stage may be drained anew. */
  close(): Promise<void>
}

/**
 * The contents of one stage for several repositories. Everybody gets every event; a staged file is released when all have released it, so
 * that the slowest sets the pace as soon as the budget of the stage is used up. Who takes part is noted before anything is given out.
 *
 * @param destinations one for each, all different; the first goes on alone where a later attempt has no mirrors
 */
export async function mirrorContents(contents: StageContents, destinations: readonly [string, ...string[]]): Promise<MirroredContents> {
  if (contents.notes.length === 0) await contents.note(participantsNote(destinations))
  const [first] = destinations
  const participants = () => stageParticipants(contents.notes, first)
  // Files go without whoever takes no part this time.
  for (const absent of participants().wanted) {
    if (!destinations.includes(absent)) await contents.note(missedNote(absent))
  }
  let isKept = false
  const shared = new SharedDrain(contents, destinations.length, (branch) => contents.note(missedNote(destinations[branch] ?? '')))
  const branches = destinations.map((destination, branch): MirroredBranch => {
    const missed = !participants().hasAll(destination)
    if (missed) shared.exclude(branch)
    return {
      contents: {
        budget: contents.budget,
        get sealed() {
          return isKept || contents.sealed
        },
        get notes() {
          return participants().notesOf(destination)
        },
        note: (note) => contents.note(participants().noteFor(destination, note)),
        drain: (options) => shared.drain(branch, options),
      },
      missed,
      leave: () => shared.leave(branch),
      giveUp: () => shared.giveUp(branch),
    }
  })
  return {
    branches,
    keepForLater() {
      isKept = true
    },
    close: () => shared.close(),
  }
}
