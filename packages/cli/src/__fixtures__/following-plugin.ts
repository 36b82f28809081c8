import { memoryPlugin, memoryServers } from './memory-plugin.ts'

/** A plugin as a package exports it, of a server that is written to all the time. */
const servers = memoryServers()
let writes = 0
setInterval(() => servers.source.write('orders', `order ${++writes}`), 20)

export const plugin = memoryPlugin(servers)
