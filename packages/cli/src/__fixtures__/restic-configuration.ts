import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cheapResticPassword, cheapResticRepository } from '@backup-planet/tooling/cheap-restic-repository'
import { commandLineOf, sampleConfiguration } from './command-line-run.ts'

/**
 * The sample with a restic repository `offsite` beside its archive, whose password stands in a file; created, with one backup of the job
 * `safe`. Made once: the others are copies of it.
 */
export async function commandLineWithRestic() {
  template ??= createTemplate()
  const { directory } = await template
  const here = await commandLineOf(sampleConfiguration)
  await cp(directory, here.directory, { recursive: true })
  return configured(here)
}

export async function removeResticTemplate(): Promise<void> {
  if (template !== undefined) await rm((await template).directory, { recursive: true })
  template = undefined
}

type CommandLine = Awaited<ReturnType<typeof commandLineOf>>

let template: Promise<CommandLine> | undefined

async function createTemplate(): Promise<CommandLine> {
  const here = await configured(await commandLineOf(sampleConfiguration))
  await writeFile(here.passwordFile, `${cheapResticPassword}\n`, { mode: 0o600 })
  for (const [key, bytes] of Object.entries(cheapResticRepository())) {
    const file = join(here.directory, 'offsite', key)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, bytes, { mode: 0o600 })
  }
  for (const argv of [['init'], ['run', 'safe']]) {
    const { code, stderr } = await here.run(argv)
    if (code !== 0) throw new Error(`backup-planet ${argv.join(' ')} ended with ${code}:\n${stderr}`)
  }
  return here
}

async function configured(here: CommandLine) {
  const passwordFile = join(here.directory, 'password')
  const configuration = sampleConfiguration.replace(
    '\njobs:\n',
    `
  offsite: { kind: restic, destination: ./offsite, password: ${JSON.stringify(`\${file:${passwordFile}}`)}, cacheDirectory: false, threads: 1 }
jobs:
  safe: { agent: sample, repository: offsite, settings: { host: sample } }
`,
  )
  await writeFile(here.file, configuration, { mode: 0o600 })
  return { ...here, passwordFile }
}
