import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../conformance/conformance-check.ts'
import { sampleBytes, sha256Of } from '../testing/chunks-of.ts'
import { runCommand } from './command-runner.ts'

/** The programs run here are scripts of `sh`, and are stopped by signals: Windows has neither. */
const onWindows = process.platform === 'win32'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'command-runner-'))
  cleanUps.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function shell(script: string, ...more: string[]) {
  return { command: 'sh', arguments: ['-c', script, 'sh', ...more] }
}

/** Dead, or ended and only waiting to be collected by whoever inherited it. */
function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

describe('bad input', () => {
  it('names a program that does not exist', async () => {
    await expect(runCommand({ command: 'no-such-program-anywhere', arguments: [] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'no-such-program-anywhere cannot be started: ENOENT',
      hint: 'Install the program no-such-program-anywhere, or give its full path in the settings.',
    })
  })

  it('names a working directory that does not exist, and not the program', async () => {
    await expect(runCommand({ command: 'sh', arguments: [], workingDirectory: '/no/such/folder' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('/no/such/folder') as string,
    })
  })

  // Windows knows no right to execute.
  it.skipIf(onWindows)('refuses a program that may not be executed', async () => {
    const program = join(await temporaryDirectory(), 'program')
    await writeFile(program, '#!/bin/sh\n')
    await chmod(program, 0o600)
    await expect(runCommand({ command: program, arguments: [] })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })

  it('refuses NUL and an empty name without running anything', async () => {
    await expect(runCommand({ command: 'sh', arguments: ['-c', 'secret-value\0'] })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(runCommand({ command: '', arguments: [] })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('runs nothing when it is aborted beforehand', async () => {
    const file = join(await temporaryDirectory(), 'touched')
    await expect(runCommand(shell('touch "$1"', file), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(() => readFileSync(file)).toThrow('ENOENT')
  })
})

describe.skipIf(onWindows)('a program that ends', () => {
  it('gives exit code, output and error output, whatever the code', async () => {
    const result = await runCommand(shell('echo out; echo err >&2; exit 7'))
    expect(result).toMatchObject({ exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n', stdoutEnded: true })
  })

  it('shows standard error as it comes, and collects it all the same', async () => {
    const seen: Uint8Array[] = []
    const result = await runCommand({
      command: 'sh',
      arguments: ['-c', 'echo one >&2; echo two >&2'],
      onStderr: (chunk) => seen.push(chunk),
    })
    expect(Buffer.concat(seen).toString()).toBe('one\ntwo\n')
    expect(result.stderr).toBe('one\ntwo\n')
  })

  it('stops the program when who sees its standard error throws', async () => {
    const onStderr = (): void => {
      throw new RangeError('enough')
    }
    await expect(runCommand({ command: 'sh', arguments: ['-c', 'echo one >&2; sleep 60'], onStderr })).rejects.toThrow('enough')
  })

  it('hands arguments over as they are', async () => {
    const odd = ['$(id)', '`id`', '; rm -rf x', "quote's", '"double"', 'new\nline', '*', '']
    const result = await runCommand(shell('for argument; do printf "%s|" "$argument"; done', ...odd))
    expect(result.stdout).toBe(odd.map((argument) => `${argument}|`).join(''))
  })

  it('says which signal ended it', async () => {
    expect(await runCommand(shell('kill -USR1 $$'))).toMatchObject({ exitCode: null, signal: 'SIGUSR1' })
  })

  it('adds to the environment and takes from it', async () => {
    process.env.COMMAND_RUNNER_TEST = 'inherited'
    cleanUps.push(async () => {
      delete process.env.COMMAND_RUNNER_TEST
    })
    const script = shell('echo "$ADDED-$(printenv COMMAND_RUNNER_TEST || echo gone)"')
    expect((await runCommand({ ...script, environment: { ADDED: 'x' } })).stdout).toBe('x-inherited\n')
    expect((await runCommand({ ...script, environment: { ADDED: 'y', COMMAND_RUNNER_TEST: undefined } })).stdout).toBe('y-gone\n')
  })

  it('passes megabytes from input to a slow receiver, unharmed, and makes the program wait', async () => {
    const bytes = sampleBytes(3 * 1024 * 1024)
    let given = 0
    let received = 0
    let furthest = 0
    const chunks: Uint8Array[] = []
    async function* input(): AsyncGenerator<Uint8Array> {
      for (let offset = 0; offset < bytes.length; offset += 65_536) {
        given += 65_536
        furthest = Math.max(furthest, given - received)
        yield bytes.subarray(offset, offset + 65_536)
      }
    }
    const result = await runCommand({
      command: 'cat',
      arguments: [],
      input: input(),
      async stdout(chunk) {
        await new Promise((resolve) => setImmediate(resolve))
        received += chunk.byteLength
        chunks.push(chunk)
      },
    })
    expect(result).toMatchObject({ exitCode: 0, stdout: '', stdoutEnded: true })
    expect(sha256Of(Buffer.concat(chunks))).toBe(sha256Of(bytes))
    expect(furthest).toBeLessThan(1024 * 1024)
  })

  it('reads everything that was written before the end, however slowly it is received', async () => {
    let received = 0
    const result = await runCommand({
      ...shell('head -c 200000 /dev/zero'),
      async stdout(chunk) {
        await new Promise((resolve) => setTimeout(resolve, 300))
        received += chunk.byteLength
      },
    })
    expect(result.stdoutEnded).toBe(true)
    expect(received).toBe(200_000)
  })

  it('lets a program close its input early', async () => {
    let closed = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        while (true) yield Buffer.alloc(65_536)
      } finally {
        closed = true
      }
    }
    expect(await runCommand({ ...shell('head -c 10 >/dev/null; exit 3'), input: endless() })).toMatchObject({ exitCode: 3 })
    await eventually(() => closed, 'the input is closed')
  })

  it('does not wait for an input that is stalled when the program has ended', async () => {
    async function* stalled(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x')
      await new Promise(() => undefined)
    }
    expect(await runCommand({ ...shell('exit 0'), input: stalled() })).toMatchObject({ exitCode: 0 })
  })

  it('does not wait for a descendant that keeps the output open, and says so', async () => {
    const result = await runCommand(shell('sleep 60 & echo $!; exit 0'))
    cleanUps.push(async () => {
      process.kill(Number(result.stdout), 'SIGKILL')
    })
    expect(result).toMatchObject({ exitCode: 0, stdoutEnded: false })
    expect(result.stdout).toMatch(/^\d+\n$/)
  })

  it('keeps the end of a long output and counts the rest', async () => {
    const result = await runCommand({
      ...shell('i=0; while [ $i -lt 3000 ]; do echo "line-$i-ä"; i=$((i+1)); done'),
      outputLimitBytes: 1000,
    })
    expect(Buffer.byteLength(result.stdout)).toBeLessThanOrEqual(1000)
    expect(result.stdout.endsWith('line-2999-ä\n')).toBe(true)
    expect(result.stdout).not.toContain('\uFFFD')
    expect(result.stdoutOmittedBytes).toBeGreaterThan(30_000)
  })
})

describe.skipIf(onWindows)('secrets', () => {
  const secret = 'p4ss"w%rd'

  it('are masked in outputs, also percent-encoded and as JSON', async () => {
    const forms = [secret, encodeURIComponent(secret), JSON.stringify(secret)]
    const result = await runCommand({ ...shell('printf "%s\\n" "$@"; printf "%s\\n" "$@" >&2', ...forms), secrets: [secret, ''] })
    expect(result.stdout).toBe('***\n***\n"***"\n')
    expect(result.stderr).toBe(result.stdout)
  })

  it('are masked in the error of a time-out', async () => {
    const run = runCommand({ ...shell('echo "denied for $1" >&2; sleep 60', secret), secrets: [secret], timeoutMs: 300, graceMs: 1000 })
    const error = await run.catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'TIMED_OUT', message: 'sh did not end within 300 ms: denied for ***', retryable: true })
  })

  it('are masked where the limit cuts them in two', async () => {
    for (let limit = 5; limit < 20; limit++) {
      const result = await runCommand({
        ...shell('printf "%s" "0123456789swordfish-end"'),
        secrets: ['swordfish'],
        outputLimitBytes: limit,
      })
      expect(result.stdout).toMatch(/^[0-9]*\*\*\*-end$|^-end$|^\*\*\*-end$/)
    }
  })
})

describe.skipIf(onWindows)('a program that is stopped', () => {
  it('ends at SIGTERM and may clean up', async () => {
    const file = join(await temporaryDirectory(), 'cleaned-up')
    const controller = new AbortController()
    const run = runCommand(
      {
        ...shell('trap \'echo done > "$1"; exit 0\' TERM; echo ready; while :; do sleep 0.05; done', file),
        stdout: () => controller.abort(new Error('enough')),
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
    expect(readFileSync(file, 'utf8')).toBe('done\n')
  })

  it('is killed with all that it started when it ignores SIGTERM', async () => {
    const controller = new AbortController()
    let output = ''
    const run = runCommand(
      {
        ...shell('trap "" TERM; (trap "" TERM; sleep 1000) & sleep 1000 & echo "$$ $!"; wait; sleep 1000'),
        graceMs: 300,
        stdout(chunk) {
          output += Buffer.from(chunk).toString()
          if (output.endsWith('\n')) controller.abort()
        },
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
    const pids = output.trim().split(' ').map(Number)
    expect(pids).toHaveLength(2)
    await eventually(() => pids.every(isGone), 'every process of the group has ended')
  })

  it('takes descendants with it that outlive their parent', async () => {
    const controller = new AbortController()
    let output = ''
    const run = runCommand(
      {
        ...shell('(trap "" TERM; while :; do sleep 0.2; done) & echo "$!"; wait'),
        graceMs: 300,
        stdout(chunk) {
          output += Buffer.from(chunk).toString()
          if (output.endsWith('\n')) controller.abort()
        },
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
    await eventually(() => isGone(Number(output)), 'the descendant has ended')
  })

  it('is stopped when the receiver of its output throws, and that error is thrown', async () => {
    const run = runCommand({
      ...shell('while :; do echo x; done'),
      stdout() {
        throw new RangeError('receiver broke')
      },
    })
    await expect(run).rejects.toThrow(new RangeError('receiver broke'))
  })

  it('is stopped when its input throws, and that error is thrown', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x')
      throw new RangeError('input broke')
    }
    await expect(runCommand({ command: 'cat', arguments: [], input: broken() })).rejects.toThrow(new RangeError('input broke'))
  })

  it('does not wait for a stalled receiver when it is aborted after the program has ended', async () => {
    const controller = new AbortController()
    const run = runCommand(
      {
        ...shell('echo x'),
        stdout() {
          setTimeout(() => controller.abort(), 300)
          return new Promise<void>(() => undefined)
        },
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('is stopped even while the receiver of its output is stalled', async () => {
    const controller = new AbortController()
    const run = runCommand(
      {
        ...shell('echo x; sleep 1000'),
        stdout() {
          controller.abort()
          return new Promise<void>(() => undefined)
        },
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
