import { describe, expect, it } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf, chunksOf, reopenable, sampleBytes } from './chunks-of.ts'
import { flakyUploader } from './flaky-uploader.ts'
import { createMemoryUploader } from './memory-uploader.ts'
import { scriptedCommandRunner } from './scripted-command-runner.ts'

describe('chunksOf', () => {
  it('refuses sizes that are none', () => {
    for (const sizes of [[], [0], [-1], [1.5]]) expect(() => chunksOf(new Uint8Array(3), sizes)).toThrow(TypeError)
  })

  it('cuts by the sizes and repeats the last, as often as it is read', async () => {
    const source = chunksOf(Buffer.from('0123456789'), [1, 4, 2])
    for (let round = 0; round < 2; round++) {
      const chunks: string[] = []
      for await (const chunk of source) chunks.push(Buffer.from(chunk).toString())
      expect(chunks).toEqual(['0', '1234', '56', '78', '9'])
    }
  })
})

describe('faults', () => {
  it.each(['memory', 'flaky'])('happen to the call they are planned for, in the %s uploader', async (kind) => {
    const bytes = sampleBytes(5000)
    const memory = createMemoryUploader()
    const uploader = kind === 'memory' ? memory : flakyUploader(memory)
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'fail', error: new RangeError('told to') })
    uploader.injectFault({ operation: 'download', occurrence: 1, action: 'corrupt' })
    uploader.injectFault({ operation: 'stat', occurrence: 1, action: 'stall' })
    await uploader.upload('a', reopenable(bytes))
    await expect(uploader.upload('b', reopenable(bytes))).rejects.toThrow(new RangeError('told to'))
    await uploader.upload('c', reopenable(bytes))
    expect([...memory.objects.keys()]).toEqual(['a', 'c'])

    const damaged = await bytesOf(uploader.download('a'))
    expect(damaged.length).toBe(bytes.length)
    expect(damaged.filter((byte, index) => byte !== bytes[index])).toHaveLength(1)
    expect(bytes.equals(await bytesOf(uploader.download('a')))).toBe(true)

    const controller = new AbortController()
    const stalled = uploader.stat('a', { signal: controller.signal })
    controller.abort()
    await expect(stalled).rejects.toMatchObject({ code: 'ABORTED' })
    expect(uploader.calls).toMatchObject({ upload: 3, download: 2, stat: 1 })
  })
})

describe('scriptedCommandRunner', () => {
  it('plays its script in order, feeds the receiver, keeps the input and masks secrets', async () => {
    const missing = new BackupError('missing', { code: 'NOT_FOUND' })
    const runner = scriptedCommandRunner([
      { command: 'dump', arguments: ['--all'], stdout: 'rows', stderr: 'warning for hunter2', exitCode: 2 },
      { command: 'load', arguments: (given) => given.includes('-'), error: missing },
    ])
    const received: Uint8Array[] = []
    const result = await runner.run({
      command: 'dump',
      arguments: ['--all'],
      input: chunksOf(Buffer.from('given'), [2]),
      secrets: ['hunter2'],
      stdout: (chunk) => void received.push(chunk),
    })
    expect(result).toMatchObject({ exitCode: 2, stdout: '', stderr: 'warning for ***' })
    expect(Buffer.concat(received).toString()).toBe('rows')
    expect(runner.calls[0]?.input.toString()).toBe('given')
    expect(() => runner.assertAllRun()).toThrow('not run: load')
    await expect(runner.run({ command: 'load', arguments: ['-'] })).rejects.toBe(missing)
    runner.assertAllRun()
    await expect(runner.run({ command: 'load', arguments: [] })).rejects.toThrow('unexpected command after the end of the script: load')
  })

  it('refuses other commands and other arguments, and stalls until it is aborted', async () => {
    await expect(scriptedCommandRunner([{ command: 'a' }]).run({ command: 'b', arguments: [] })).rejects.toThrow(TypeError)
    const script = [{ command: 'a', arguments: ['x'] }]
    await expect(scriptedCommandRunner(script).run({ command: 'a', arguments: ['x', 'y'] })).rejects.toThrow(TypeError)
    const controller = new AbortController()
    const run = scriptedCommandRunner([{ command: 'a', stalls: true }]).run({ command: 'a', arguments: [] }, { signal: controller.signal })
    setImmediate(() => controller.abort())
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
