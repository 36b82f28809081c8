import { join } from 'node:path'
import { BackupError, type UploaderPlugin } from '@backup-planet/core'
import { expect, onTestFinished, test } from 'vitest'
import { commandLineOf } from '../__fixtures__/command-line-run.ts'
import { samplePlugin } from '../__fixtures__/sample-agent.ts'

/** What an uploader is given as settings, by a configuration with these. */
async function settingsGiven(settings: string, staging: string, journalSetting?: string) {
  const here = await commandLineOf(`repositories:
  noted: { kind: archive, destination: "noted://place", uploader: { settings: ${settings} } }
jobs:
  shop: { agent: sample, repository: noted, settings: { host: sample, password: x } }
${staging}`)
  onTestFinished(() => here[Symbol.asyncDispose]())
  let given: unknown
  const plugin: UploaderPlugin = {
    contract: 'uploader-plugin/1',
    schemes: ['noted'],
    exampleDestination: 'noted://place',
    ...(journalSetting === undefined ? {} : { journalSetting }),
    create(_, settings) {
      given = settings
      throw new BackupError('seen', { code: 'INVALID_SETTINGS', hint: 'It was for this alone.' })
    },
  }
  expect((await here.run(['list', 'shop'], { plugins: [samplePlugin(here.server), plugin] })).code).not.toBe(0)
  return { given, directory: here.directory }
}

test('an uploader that can go on with uploads is given a directory of this machine to note them in', async () => {
  const own = await settingsGiven('{ a: 1 }', 'staging: { directory: ./staging }\n', 'notes')
  expect(own.given).toEqual({ a: 1, notes: join(own.directory, 'staging/uploads') })
  const usual = await settingsGiven('{}', '', 'notes')
  const { notes } = usual.given as { readonly notes: string }
  expect(notes.startsWith(join(usual.directory, 'backup-planet/staging'))).toBe(true)
  expect(notes.endsWith('/uploads')).toBe(true)
})

test('it has the one that the configuration names, and others are given none', async () => {
  expect((await settingsGiven('{ notes: /elsewhere }', '', 'notes')).given).toEqual({ notes: '/elsewhere' })
  expect((await settingsGiven('{ a: 1 }', '')).given).toEqual({ a: 1 })
})
