import type { SecretMask } from '../configuration/secret-mask.ts'

/** What is written to: standard output and error of a process, or collected text in a test. */
export interface OutputStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** The only way anything is printed: every text and every JSON value passes the secret mask. */
export interface Output {
  /** JSON lines on standard output, text for people on standard error. */
  readonly json: boolean
  /** A result for people: standard output, or standard error with `--json`. */
  print(text: string): void
  /** A remark for people on standard error. */
  remark(text: string): void
  /** One JSON line; nothing without `--json`. */
  emit(value: unknown): void
  /** Unfinished text on standard error, such as a progress block with control sequences. */
  draw(text: string): void
}

export interface OutputSettings {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly json: boolean
  readonly mask: SecretMask
}

export function createOutput({ stdout, stderr, json, mask }: OutputSettings): Output {
  const line = (stream: OutputStream, text: string) => stream.write(`${mask.hide(text)}\n`)
  return {
    json,
    print: (text) => void line(json ? stderr : stdout, text),
    remark: (text) => void line(stderr, text),
    emit(value) {
      if (json) stdout.write(`${JSON.stringify(mask.hideIn(value))}\n`)
    },
    draw: (text) => void stderr.write(mask.hide(text)),
  }
}

/** Names out of backups and servers may hold anything; on a terminal they must not act. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
