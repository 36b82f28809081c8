import { BackupError, type Capture, type FollowRequest, type OperationOptions } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'

export async function* followBinlogs(
  _settings: ResolvedMysqlAgentSettings,
  _request: FollowRequest,
  _options: OperationOptions = {},
): AsyncGenerator<Capture, void, void> {
  throw new BackupError('x', { code: 'UNSUPPORTED', hint: 'x' })
}
