import { BackupError } from '@backup-planet/core'
import { createMetricsServer, type MetricsServer, type MetricsServerSettings } from './metrics-server.ts'

/** Where nothing else is said: on this machine alone. */
const usualAddress = '127.0.0.1:9810'

/**
 * Serves metrics where the configuration says, and `undefined` where it says `false`. Where it says nothing, and something else has the usual
 * address, such as the daemon of another configuration, a remark says so and there are none. Throws as {@link createMetricsServer} does.
 */
export async function openMetrics(
  listen: string | false | undefined,
  settings: Omit<MetricsServerSettings, 'listen'>,
  remark: (text: string) => void,
): Promise<MetricsServer | undefined> {
  if (listen === false) return undefined
  try {
    const server = await createMetricsServer({ listen: listen ?? usualAddress, ...settings })
    remark(`metrics at ${server.url}/metrics`)
    return server
  } catch (error) {
    if (listen !== undefined || !BackupError.is(error)) throw error
    remark(`no metrics: ${error.message}\n  hint: Set daemon.listen to another address, or to false.`)
    return undefined
  }
}
