import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import {
  abortError,
  BackupError,
  type Capture,
  type CaptureFacts,
  type OperationOptions,
  type Position,
  type Stage,
  throwIfAborted,
} from '@backup-planet/core'
import { identityAt } from '../log/binlog-beginning.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { connect } from '../mysql-connection.ts'
import { type OptionFile, writeOptionFile } from '../programs/option-file.ts'
import { ToolDirectory } from '../programs/tool-directory.ts'
import { type BackupInfo, factFiles, parseBackupInfo } from './backup-info.ts'
import { BackupStreamReader, checkedStream, type StreamFacts } from './backup-stream.ts'
import type { BackupTool, ToolVersion } from './backup-tool.ts'
import { consistentMoment, MomentWatch } from './consistent-moment.ts'
import type { PhysicalKind } from './physical-kind.ts'
import { type InstanceFacts, instanceItem, partName } from './physical-layout.ts'
import { physicalRestoreGuide } from './physical-restore-guide.ts'
import type { PhysicalSettings } from './physical-settings.ts'
import type { PhysicalSource } from './physical-source.ts'
import { physicalSteps } from './physical-steps.ts'
import { streamParts } from './stream-parts.ts'
import { backupArguments } from './tool-arguments.ts'
import { toolOptions } from './tool-options.ts'
import { runTool } from './tool-run.ts'

export interface PhysicalCaptureOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly physical: PhysicalSettings
  readonly source: PhysicalSource
  readonly tool: BackupTool
  readonly version: ToolVersion
  readonly next: PhysicalKind
  /** By the clock of the server. */
  readonly beganAt: string
}

/** What is known once the tool has ended. */
interface Outcome {
  readonly info: BackupInfo
  readonly consistentAt: string
  /** Of the binlog that the position lies in. */
  readonly identity: string | undefined
}

/**
 * One copy of a server by its backup tool. The tool finds its consistent point at the end of the copy: until `copyTo` has resolved, the facts hold no position, and the
 * moment in which the capture began.
 */
export class PhysicalCapture implements Capture {
  readonly #options: PhysicalCaptureOptions
  #outcome: Outcome | undefined
  #copied = false

  constructor(options: PhysicalCaptureOptions) {
    this.#options = options
  }

  get facts(): CaptureFacts {
    const { source, next, beganAt, tool } = this.#options
    const { server } = source
    const position = this.#position()
    const consistentAt = this.#outcome?.consistentAt ?? beganAt
    const binlog = this.#outcome?.info.position
    const identity = this.#outcome?.identity
    return {
      application: 'mysql',
      source: { id: server.id, name: source.name, version: server.version },
      kind: next.kind,
      ...(next.reason === undefined ? {} : { reason: next.reason }),
      consistentAt,
      ...(position === undefined ? {} : { position }),
      ...(next.base === undefined ? {} : { from: next.base.from }),
      facts: {
        mode: 'physical',
        flavour: server.flavour,
        serverId: server.serverId,
        lowerCaseTableNames: server.lowerCaseTableNames,
        characterSet: server.variables.character_set_server ?? '',
        collation: server.variables.collation_server ?? '',
        tool: this.#toolName,
        elsewhere: { ...source.datadir.elsewhere },
        binlog: binlog === undefined ? null : { ...binlog, ...(identity === undefined ? {} : { identity }) },
      },
      restoreGuide: physicalRestoreGuide({
        tool,
        toolVersion: this.#toolName,
        serverVersion: server.version,
        consistentAt,
        ...(binlog === undefined ? {} : { position: binlog }),
        ...(next.base === undefined ? {} : { base: next.base.id }),
      }),
    }
  }

  async copyTo(stage: Stage, options: OperationOptions = {}): Promise<void> {
    const { signal, onProgress } = options
    throwIfAborted(signal, 'copying')
    if (this.#copied) throw new TypeError('a capture is copied only once')
    this.#copied = true
    const { settings, physical, source, tool, next } = this.#options
    onProgress?.({ type: 'step', text: physicalSteps.copy(tool, source.datadir.path, source.datadir.bytes, next.base) })
    await using directory = await ToolDirectory.create()
    const workDirectory = await directory.folder('work')
    const factsDirectory = await directory.folder('facts')
    const optionFile = await writeOptionFile(directory, settings, toolOptions(source.server.flavour, physical))
    await using session = await connect(settings, { signal })
    const watch = new MomentWatch(session, source.server)
    const { longQueryGuardSeconds: seconds, longQueryAction, longQueryWaitSeconds } = settings
    const streamed = await this.#stream(stage, watch, options, {
      optionFile,
      command: tool.backup,
      arguments: backupArguments(tool, {
        optionFile: optionFile.argument,
        workDirectory,
        factsDirectory,
        parallel: physical.parallel,
        ...(next.base === undefined ? {} : { sinceLsn: next.base.lsn }),
        ...(seconds === 0 ? {} : { longQueries: { seconds, waitSeconds: longQueryAction === 'wait' ? longQueryWaitSeconds : 1 } }),
      }),
    })
    const info = await readInfo(factsDirectory)
    this.#refuseOtherBase(info)
    const consistentAt = consistentMoment(await watch.end(), info.position) ?? this.#options.beganAt
    this.#outcome = { info, consistentAt, identity: await identityAt(info.position, settings, signal) }
    const position = this.#position()
    await stage.sealItem({
      item: instanceItem,
      ...(next.base === undefined ? {} : { from: next.base.from }),
      ...(position === undefined ? {} : { to: position }),
      bytes: streamed.payloadBytes,
      facts: this.#instanceFacts(info, streamed),
    })
    onProgress?.({ type: 'item', phase: 'capture', item: instanceItem, state: 'ended' })
  }

  /** The output of the tool into the files of the item. Whatever fails first ends both, and is what is thrown. */
  async #stream(
    stage: Stage,
    watch: MomentWatch,
    { signal }: OperationOptions,
    { optionFile, ...command }: { readonly optionFile: OptionFile; readonly command: string; readonly arguments: readonly string[] },
  ): Promise<StreamFacts> {
    const { physical, tool, next } = this.#options
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const pipe = new PassThrough()
    // What the reader of the pipe is told is thrown where it reads.
    pipe.on('error', () => undefined)
    const running = runTool(
      {
        ...command,
        during: next.base === undefined ? 'copying the server' : 'copying what has changed on the server',
        success: 'completed',
        secrets: optionFile.secrets,
        onStderr: watch.onLog,
        stdout: async (chunk) => {
          // A tool that prints has connected.
          await optionFile.forget()
          if (!pipe.write(chunk)) await roomIn(pipe)
        },
      },
      { signal: stop.signal },
    ).then(
      () => pipe.end(),
      (error: Error) => {
        pipe.destroy(error)
        throw error
      },
    )
    running.catch(() => undefined)
    const reader = new BackupStreamReader(`what ${tool.family} prints`)
    try {
      let index = 0
      const bytes = Math.min(physical.partBytes, stage.largestFile)
      for await (const part of streamParts(checkedStream(pipe, reader), bytes)) {
        await stage.write({ item: instanceItem, name: partName(tool.format, index++) }, part, signal === undefined ? {} : { signal })
      }
      await running
      return reader.facts
    } catch (error) {
      stop.abort(error)
      pipe.destroy()
      const failure = await running.then(
        () => error,
        (reason: unknown) => (BackupError.is(reason) && reason.code !== 'ABORTED' ? reason : error),
      )
      if (signal?.aborted) throw abortError(signal, 'copying')
      throw failure
    } finally {
      signal?.removeEventListener('abort', onAbort)
      await watch.end().catch(() => undefined)
    }
  }

  /** A tool that does not know the LSN it was given must not make a differential of something else. */
  #refuseOtherBase(info: BackupInfo): void {
    const wanted = this.#options.next.base?.lsn ?? '0'
    if (info.fromLsn === wanted && BigInt(info.toLsn) >= BigInt(wanted)) return
    throw new BackupError(
      `${this.#options.tool.family} copied from LSN ${info.fromLsn} to ${info.toLsn}, and was asked for what follows ${wanted}`,
      {
        code: 'INCONSISTENT',
        hint: 'Nothing of this run was kept. Run a full backup.',
      },
    )
  }

  get #toolName(): string {
    return `${this.#options.tool.family} ${this.#options.version.own}`
  }

  #instanceFacts(info: BackupInfo, streamed: StreamFacts): InstanceFacts {
    const { fromLsn, toLsn, lastLsn } = info
    const { tool, source } = this.#options
    return {
      format: tool.format,
      tool: this.#toolName,
      fromLsn,
      toLsn,
      lastLsn,
      datadir: source.datadir.identity,
      streamedFiles: streamed.files,
    }
  }

  #position(): Position | undefined {
    const position = this.#outcome?.info.position
    return position === undefined ? undefined : { chain: this.#options.next.chain, value: { ...position } }
  }

  /** Nothing on the server waits to hear that it is backed up. */
  async confirm(options: OperationOptions = {}): Promise<void> {
    throwIfAborted(options.signal, 'confirming')
  }

  /** The tool ends with `copyTo`, and holds nothing before. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Resolves when the reader has caught up, or will read no more. */
function roomIn(pipe: PassThrough): Promise<void> | undefined {
  if (pipe.destroyed) return undefined
  return new Promise((resolve) => {
    const goOn = (): void => {
      pipe.off('drain', goOn)
      pipe.off('close', goOn)
      resolve()
    }
    pipe.on('drain', goOn)
    pipe.on('close', goOn)
  })
}

async function readInfo(directory: string): Promise<BackupInfo> {
  const read = async (names: readonly string[]): Promise<string> => {
    for (const name of names) {
      const text = await readFile(join(directory, name), 'utf8').catch(() => undefined)
      if (text !== undefined) return text
    }
    return ''
  }
  return parseBackupInfo(await read(factFiles.checkpoints), await read(factFiles.info))
}
