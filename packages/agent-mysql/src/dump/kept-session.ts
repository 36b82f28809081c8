import type { MysqlConnection } from '../mysql-connection.ts'
import { pingWhileIdle } from './ping-while-idle.ts'

/**
 * Makes the server end a session, and release what it locks, when it has heard nothing from it for `idleSeconds`: this process may be stopped, its
 * machine paused or without power, or the network cut, and none of these closes the connection. While this process lives it is heard of often
 * enough. Ends with the connection.
 */
export async function endWhenSilent(connection: MysqlConnection, idleSeconds: number): Promise<void> {
  await connection.run(`SET SESSION wait_timeout = ${idleSeconds}`, 'bounding how long locks outlive this process')
  pingWhileIdle(connection.driver, idleSeconds)
}
