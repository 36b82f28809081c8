import type { SecretMask } from '../configuration/secret-mask.ts'

/** What is written to: standard output and error of a process, or collected text in a test. */
export interface OutputStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** Lines at the end of a terminal that are drawn over and over, such as progress. Everything else has to stand above them. */
export interface OutputBlock {
  erase(): void
  draw(): void
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
  /** A line of a log whose every value has passed `mask.hideIn`: masked as a whole it might be no JSON any more. Where `print` prints. */
  log(line: string): void
  /** Unfinished text on standard error, such as a progress block with control sequences. */
  draw(text: string): void
  /** Keeps a block below everything that is printed from now on, until it is disposed. */
  keepBelow(block: OutputBlock): Disposable
}

export interface OutputSettings {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly json: boolean
  readonly mask: SecretMask
}

export function createOutput({ stdout, stderr, json, mask }: OutputSettings): Output {
  let below: OutputBlock | undefined
  const line = (stream: OutputStream, text: string) => {
    // What goes into a file or a pipe does not disturb the terminal.
    const disturbed = stream.isTTY === true ? below : undefined
    disturbed?.erase()
    stream.write(`${text}\n`)
    disturbed?.draw()
  }
  return {
    json,
    print: (text) => line(json ? stderr : stdout, mask.hide(text)),
    remark: (text) => line(stderr, mask.hide(text)),
    emit(value) {
      if (json) line(stdout, JSON.stringify(mask.hideIn(value)))
    },
    log: (text) => line(json ? stderr : stdout, text),
    draw: (text) => void stderr.write(mask.hide(text)),
    keepBelow(block) {
      below = block
      return {
        [Symbol.dispose]() {
          if (below === block) below = undefined
        },
      }
    },
  }
}

/** Names out of backups and servers may hold anything; on a terminal they must not act. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
