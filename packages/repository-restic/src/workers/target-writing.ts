import { closeSync, fchmodSync, futimesSync, openSync, unlinkSync, writeSync } from 'node:fs'

/** What a file has beside its content. */
export interface FileFacts {
  /** POSIX permission bits; others are not set. */
  readonly mode: number
  /** As `utimes` takes it; `undefined` leaves the time of writing. */
  readonly modifiedAt: number | Date | undefined
}

/** A file of which one plaintext is all. */
export interface WholeFile extends FileFacts {
  /** Its bytes as Latin-1: between threads a string costs less than bytes do. */
  readonly path: string
}

/** A place in a file that another thread has opened and will close: descriptors belong to the process. */
export interface FilePart {
  readonly descriptor: number
  readonly position: number
}

/** Where a plaintext goes. */
export type WriteTarget = WholeFile | FilePart

/** Errors of the operating system lose their code on the way between threads. */
export interface FailedWrite {
  /** Which of the targets; those before it are written, and those behind it are not. */
  readonly target: number
  /** As in errno(3). */
  readonly code: string | undefined
  readonly message: string
}

/** One after the other, until one fails. */
export function writeTargets(plaintext: Uint8Array, targets: readonly WriteTarget[]): FailedWrite | undefined {
  for (const [at, target] of targets.entries()) {
    try {
      if ('path' in target) writeWholeFile(pathBytes(target), plaintext, target)
      else writeAll(target.descriptor, plaintext, target.position)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return { target: at, code, message }
    }
  }
  return undefined
}

/**
 * A new file that only we can read until it is whole and gets its mode; removed again where it does not become whole. Throws the error
 * of the operating system: `EEXIST` where anything has this name, a link as well.
 */
export function writeWholeFile(path: Buffer, content: Uint8Array, facts: FileFacts): void {
  const descriptor = openSync(path, 'wx', 0o600)
  let failure: { readonly error: unknown } | undefined
  try {
    writeAll(descriptor, content, 0)
    setFileFacts(descriptor, facts)
  } catch (error) {
    failure = { error }
  }
  try {
    closeSync(descriptor)
  } catch (error) {
    // It is closed all the same: closing it again could hit a file that another thread has opened since.
    failure ??= { error }
  }
  if (failure === undefined) return
  try {
    unlinkSync(path)
  } catch {
    // What broke the file is what counts.
  }
  throw failure.error
}

/** Permission bits only: set-user-id means something else on a file of another owner. */
export function setFileFacts(descriptor: number, { mode, modifiedAt }: FileFacts): void {
  if (modifiedAt !== undefined) futimesSync(descriptor, modifiedAt, modifiedAt)
  // Last, so that others see it only when nothing of it is missing.
  fchmodSync(descriptor, mode & 0o777)
}

export function pathBytes({ path }: Pick<WholeFile, 'path'>): Buffer {
  return Buffer.from(path, 'latin1')
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.byteLength; ) {
    const written = writeSync(descriptor, bytes, at, bytes.byteLength - at, position + at)
    if (written === 0) throw Object.assign(new Error(`its disk takes no byte more at ${position + at}`), { code: 'EIO' })
    at += written
  }
}
