import { samplePlugin, sampleServer } from './sample-agent.ts'

/** A plugin as a package exports it, whose captures say on standard error that they hang, and then do. */
const server = sampleServer({ orders: 'ten orders' })
if (process.env.SAMPLE_HANGS === '1') server.fault = 'hangs'
server.onHang = () => process.stderr.write('capture hangs\n')

export const plugin = samplePlugin(server)
