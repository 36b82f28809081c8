import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

describe('no secret is in any output', () => {
  const argvs = [
    ['discover', 'shop'],
    ['check'],
    ['run', 'shop'],
    ['run', 'shop', '--plan'],
    ['run', 'shop', '--json'],
    ['check', '--json'],
  ]

  test.each(argvs)('of %s %s %s', async (...argv) => {
    here.server.fault = 'leaks-password'
    for (const debug of ['0', '1']) {
      const { code, stdout, stderr } = await here.run(argv, {
        environment: { SAMPLE_PASSWORD: samplePassword, BACKUP_PLANET_DEBUG: debug, XDG_STATE_HOME: here.directory },
      })
      expect(code).toBe(1)
      expect(argv[0] === 'check' ? stdout : stderr).toContain('login of root:*** refused')
      expect(stdout + stderr).not.toContain('battery')
    }
  })

  test('whatever the secret is and wherever the server puts it', async () => {
    const password = fc
      .string({ minLength: 3, maxLength: 30, unit: 'grapheme-ascii' })
      .filter((text) => text.trim().length > 3 && !/[\s*\w]/.test(text.slice(0, 3)))
    await fc.assert(
      fc.asyncProperty(password, async (secret) => {
        here.server.fault = 'leaks-password'
        const { stdout, stderr } = await here.run(['run', 'shop', '--json'], {
          environment: { SAMPLE_PASSWORD: secret, XDG_STATE_HOME: here.directory },
        })
        expect(stdout).not.toContain(JSON.stringify(secret).slice(1, -1))
        expect(stderr).not.toContain(secret)
      }),
      { numRuns: 25 },
    )
  })
})
