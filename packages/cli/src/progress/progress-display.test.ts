import { expect, test } from 'vitest'
import { createSecretMask } from '../configuration/secret-mask.ts'
import { createOutput } from '../output/output.ts'
import { createProgressDisplay, lookOf } from './progress-display.ts'

function stream(extra: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = []
  return { written, write: (text: string) => written.push(text), ...extra }
}

function displayOn(stderr: ReturnType<typeof stream>, environment: Record<string, string> = { LANG: 'C', NO_COLOR: '1' }) {
  const output = createOutput({ stdout: stream(), stderr, json: false, mask: createSecretMask() })
  return createProgressDisplay({ output, stream: stderr, environment, platform: 'linux' })
}

test('a terminal that became narrower is cleared of every row its lines now take', () => {
  const terminal = stream({ isTTY: true, columns: 60 })
  using display = displayOn(terminal)
  display.show({ type: 'step', text: 'x'.repeat(100) })
  display.tick()
  expect(terminal.written).toEqual([`  > ${'x'.repeat(54)}~\n`])
  terminal.columns = 20
  display.tick()
  expect(terminal.written[1]).toBe('\u001b[3A\r\u001b[J')
})

test('a remark stands above the block, and the block is gone at the end', () => {
  const terminal = stream({ isTTY: true, columns: 60 })
  const output = createOutput({ stdout: stream(), stderr: terminal, json: true, mask: createSecretMask() })
  {
    using display = createProgressDisplay({ output, stream: terminal, environment: { LANG: 'C', NO_COLOR: '1' }, platform: 'linux' })
    display.show({ type: 'step', text: 'copy' })
    display.tick()
    output.remark('one item failed')
    output.emit('goes into a pipe')
  }
  output.remark('the end')
  expect(terminal.written).toEqual([
    '  > copy\n',
    '\u001b[1A\r\u001b[J',
    'one item failed\n',
    '  > copy\n',
    '\u001b[1A\r\u001b[J',
    'the end\n',
  ])
})

test('a pipe and a dumb terminal get lines, each only once', () => {
  for (const [terminal, environment] of [
    [stream(), {}],
    [stream({ isTTY: true, columns: 80 }), { TERM: 'dumb' }],
  ] as const) {
    using display = displayOn(terminal, environment)
    display.tick()
    display.show({ type: 'step', text: 'copy' })
    display.tick()
    display.tick()
    expect(terminal.written).toEqual(['copy\n'])
  }
})

test('lines end with the last numbers, when any were told before', () => {
  const pipe = stream()
  const bytes = (amount: number) => ({ type: 'bytes', phase: 'store', bytes: amount * 1024, rate: 0 }) as const
  {
    using display = displayOn(pipe)
    display.show(bytes(1))
    display.tick()
    display.show(bytes(2))
    display.show(bytes(3))
  }
  expect(pipe.written).toEqual(['stored 1.0 KiB\n', 'stored 3.0 KiB\n'])
  pipe.written.length = 0
  {
    using display = displayOn(pipe)
    display.show(bytes(1))
  }
  expect(pipe.written).toEqual([])
})

test.each([
  [{ LANG: 'de_DE.UTF-8' }, 'linux', { unicode: true, color: true }],
  [{ LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, 'linux', { unicode: false, color: true }],
  [{ LANG: 'C.utf8', NO_COLOR: '1' }, 'linux', { unicode: true, color: false }],
  [{ NO_COLOR: '' }, 'linux', { unicode: false, color: true }],
  [{ LANG: 'C.utf8' }, 'win32', { unicode: false, color: true }],
  [{ WT_SESSION: 'x' }, 'win32', { unicode: true, color: true }],
] as const)('%j on %s', (environment, platform, look) => {
  expect(lookOf(environment, platform)).toEqual(look)
})
