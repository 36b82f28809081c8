import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { runQuietly } from './command.mjs'
import { runForStep, SetupFailure, setupStep } from './setup-step.mjs'

/** Debian's way to say that installing a package must not start its service (invoke-rc.d(8), policy-rc.d). */
const startPolicy = '/usr/sbin/policy-rc.d'

/**
 * Installs Debian packages when this is Debian or Ubuntu and we are root; resolves with whether it did.
 * No service is started: tests bring their own servers.
 */
export async function installDebianPackages(packages) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false
  try {
    await setupStep('system tools', {}, async () => {
      await withoutServiceStart(() => install(packages))
      return `installed ${packages.join(', ')}`
    })
    return true
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error
    process.stderr.write(`${error.message}\n\n`)
    return false
  }
}

async function install(packages) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const command = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=120', '--no-install-recommends', 'install', ...packages]
  // Package lists that are missing or too old make the first attempt fail; fetching them always would cost every run.
  const first = await runQuietly('apt-get', command, { environment })
  if (first.code === 0) return
  if (first.signal !== null) throw new SetupFailure(`installing ${packages.join(', ')} was ended by ${first.signal}`, 130)
  await runForStep('system tools', 'apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', 'update'], { environment })
  await runForStep('system tools', 'apt-get', command, { environment, byHand: `apt-get update && apt-get install ${packages.join(' ')}` })
}

async function withoutServiceStart(work) {
  if (existsSync(startPolicy)) return work()
  writeFileSync(startPolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' })
  const remove = () => rmSync(startPolicy, { force: true })
  process.once('exit', remove)
  try {
    return await work()
  } finally {
    remove()
    process.off('exit', remove)
  }
}
