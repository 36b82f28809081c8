import { setTimeout as delay } from 'node:timers/promises'
import { samplePlugin, sampleServer } from './sample-agent.ts'

/** A plugin as a package exports it, whose captures say on standard error that they hang, and then do; or only take a moment. */
const server = sampleServer({ orders: 'ten orders' })
const { SAMPLE_HANGS, SAMPLE_SLOW } = process.env
if (SAMPLE_HANGS === '1') server.fault = 'hangs'
if (SAMPLE_HANGS === 'deaf') server.fault = 'deaf'
if (SAMPLE_SLOW === '1') server.beforeCopy = () => delay(300)
server.onHang = () => process.stderr.write('capture hangs\n')

export const plugin = samplePlugin(server)
