import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSecretMask } from './secret-mask.ts'

const secret = fc.string({ minLength: 3, maxLength: 40, unit: 'grapheme' }).filter((text) => text.trim().length >= 3 && !/[*]/.test(text))

test('no remembered secret is left in any text, in whatever form it got there', () => {
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (password, before, after) => {
      const mask = createSecretMask()
      mask.remember(password)
      expect(mask.hide(before + password + after)).not.toContain(password)
      expect(mask.hide(JSON.stringify({ message: before + password }))).not.toContain(JSON.stringify(password).slice(1, -1))
      expect(mask.hide(`mysql://root:${encodeURIComponent(password.toWellFormed())}@db1/`)).not.toContain(
        encodeURIComponent(password.toWellFormed()),
      )
    }),
  )
})

test('a JSON value stays the same JSON with its strings masked', () => {
  const mask = createSecretMask()
  mask.remember('"quoted"')
  const hidden = mask.hideIn({
    type: 'failure',
    message: 'refused "quoted"',
    list: ['"quoted"', 1, null, true],
    nested: { '"quoted"': 'x' },
  })
  expect(hidden).toEqual({ type: 'failure', message: 'refused ***', list: ['***', 1, null, true], nested: { '"quoted"': 'x' } })
})

test('a key file is masked line by line, and a secret inside a longer one does not uncover the rest', () => {
  const mask = createSecretMask()
  mask.remember('-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n')
  mask.remember('horse')
  mask.remember('correct horse battery')
  expect(mask.hide('line mnopqrstuvwx is wrong')).toBe('line *** is wrong')
  expect(mask.hide('correct horse battery')).toBe('***')
})

test('nothing is masked for an empty secret', () => {
  const mask = createSecretMask()
  mask.remember('')
  expect(mask.hide('all is well')).toBe('all is well')
})
