import type { Agent, Capture, RestorePlan, RestoreStop, Scratch } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { chunksOf } from '../testing/chunks-of.ts'
import type { MemoryAgent } from '../testing/memory-agent.ts'
import { describeCatches, type Fault } from './__fixtures__/describe-catches.ts'
import { memoryAgentHarness } from './__fixtures__/memory-agent-harness.ts'
import { agentChecks } from './agent-checks.ts'

/** Each breaks one promise, as backup tools have been seen to break it. */
const broken: Readonly<Record<string, Fault<(sound: MemoryAgent) => Partial<Agent>>>> = {
  'truncates the log when it has copied, before anybody stored the copy': {
    caughtBy: 'tells the application nothing before it is confirmed',
    breakIt: (sound) =>
      withCapture(sound, (capture) => ({
        async copyTo(stage, options) {
          await capture.copyTo(stage, options)
          sound.server.truncateLog(sound.server.sequence)
        },
      })),
  },
  'orders positions of different servers': {
    caughtBy: 'orders its positions as they came',
    breakIt: () => ({
      comparePositions: (a, b) =>
        Number(a.value.sequence) < Number(b.value.sequence) ? -1 : Number(a.value.sequence) > Number(b.value.sequence) ? 1 : 0,
    }),
  },
  'throws at a position that it did not write': {
    caughtBy: 'orders its positions as they came',
    breakIt: () => ({
      comparePositions(a, b) {
        if (a.chain !== b.chain) return undefined
        const [one, other] = [BigInt(a.value.sequence ?? ''), BigInt(b.value.sequence ?? '')]
        return one < other ? -1 : one > other ? 1 : 0
      },
    }),
  },
  'truncates the log when a capture is disposed': {
    caughtBy: 'truncates nothing when a capture is disposed',
    breakIt: (sound) =>
      withCapture(sound, (capture) => ({
        async [Symbol.asyncDispose]() {
          sound.server.truncateLog(sound.server.sequence)
          await capture[Symbol.asyncDispose]()
        },
      })),
  },
  'leaves its session open when a capture is not confirmed': {
    caughtBy: 'truncates nothing when a capture is disposed',
    breakIt: (sound) => {
      return withCapture(sound, (capture) => {
        let confirmed = false
        return {
          async confirm(options) {
            confirmed = true
            await capture.confirm(options)
          },
          async [Symbol.asyncDispose]() {
            if (confirmed) await capture[Symbol.asyncDispose]()
          },
        }
      })
    },
  },
  'confirms as often as it is told': {
    caughtBy: 'confirms at most once',
    breakIt: (sound) =>
      withCapture(sound, (capture) => {
        let once = false
        return {
          async confirm(options) {
            if (!once) await capture.confirm(options)
            else sound.server.write('accounts', 'confirmed again')
            once = true
          },
        }
      }),
  },
  'changes the server while it checks': {
    caughtBy: 'checks and plans without changing anything',
    breakIt: (sound) => ({
      async check(request, options) {
        sound.server.write('probe', 'can I write?')
        sound.server.remove('probe')
        return await sound.check(request, options)
      },
    }),
  },
  'leaves a session behind after a plan': {
    caughtBy: 'checks and plans without changing anything',
    breakIt: (sound) => ({
      async plan(request, options) {
        sound.server.connect('plan')
        return await sound.plan(request, options)
      },
    }),
  },
  'does not stop when it is aborted': {
    caughtBy: 'aborted while the stage is full',
    breakIt: (sound) => withCapture(sound, (capture) => ({ copyTo: (stage) => capture.copyTo(stage) })),
  },
  'goes on working on the server after an abort': {
    caughtBy: 'aborted while the stage is full',
    breakIt: (sound) =>
      withCapture(sound, (capture) => ({
        copyTo: (stage, options) => {
          sound.server.connect('dump process that nobody kills')
          return capture.copyTo(stage, options)
        },
      })),
  },
  'ignores a signal that is aborted beforehand': {
    caughtBy: 'does nothing when it is aborted beforehand',
    breakIt: (sound) => ({ beginCapture: (request) => sound.beginCapture(request) }),
  },
  'fails the whole capture with one item': {
    caughtBy: 'fails one item and goes on',
    breakIt: (sound) =>
      withCapture(sound, (capture) => ({
        async copyTo(stage, options) {
          await capture.copyTo(
            {
              ...stage,
              async failItem(item, failure) {
                throw new BackupError(`${item}: ${failure.message}`, { code: failure.code })
              },
            },
            options,
          )
        },
      })),
  },
  'calls a failed item whole': {
    caughtBy: 'fails one item and goes on',
    breakIt: (sound) =>
      withCapture(sound, (capture) => ({
        copyTo: (stage, options) => capture.copyTo({ ...stage, failItem: (item) => stage.sealItem({ item, facts: {} }) }, options),
      })),
  },
  'leaves an item out': {
    caughtBy: 'captures every item whole',
    breakIt: (sound) => ({
      beginCapture: (request, options) => sound.beginCapture({ ...request, items: request.items ?? ['accounts', 'orders'] }, options),
    }),
  },
  'captures more than it was asked for': {
    caughtBy: 'captures only the items that are asked for',
    breakIt: (sound) => ({ beginCapture: ({ job, kind, chain }, options) => sound.beginCapture({ job, kind, chain }, options) }),
  },
  'has a password in its facts': {
    caughtBy: 'no secret in them',
    breakIt: (sound) => ({
      async beginCapture(request, options) {
        const capture = await sound.beginCapture(request, options)
        return Object.assign(capture, { facts: { ...capture.facts, facts: { connection: 'memory:user:memory-password@host' } } })
      },
    }),
  },
  'takes any kind for a full': {
    caughtBy: 'refuses a kind that it does not support',
    breakIt: (sound) => ({ beginCapture: (request, options) => sound.beginCapture({ ...request, kind: 'full' }, options) }),
  },
  'restores onto a target that changed after the plan': {
    caughtBy: 'refuses with CONFLICT',
    breakIt: (sound) => ({
      restore: (plan, files, options) =>
        sound.restore({ ...plan, target: { ...plan.target, fingerprint: sound.server.fingerprint() } }, files, options),
    }),
  },
  'overwrites without being allowed to': {
    caughtBy: 'refuses with ALREADY_EXISTS',
    breakIt: (sound) => ({
      planRestore: (request, options) => sound.planRestore({ ...request, target: { ...request.target, overwrite: true } }, options),
    }),
  },
  'does not look at the problems of its plan': {
    caughtBy: 'refuses with ALREADY_EXISTS',
    breakIt: (sound) => ({ restore: (plan, files, options) => sound.restore({ ...plan, problems: [] }, files, options) }),
  },
  'changes the target while it plans': {
    caughtBy: 'plans a restore without changing anything',
    breakIt: (sound) => ({
      async planRestore(request, options) {
        const plan = await sound.planRestore(request, options)
        sound.server.write('staging-area', '')
        return plan
      },
    }),
  },
  'puts functions into its plan': {
    caughtBy: 'plans a restore without changing anything',
    breakIt: (sound) => ({
      async planRestore(request, options) {
        return { ...(await sound.planRestore(request, options)), run: () => undefined } as RestorePlan
      },
    }),
  },
  'brings items back cut short': {
    caughtBy: 'brings every item back as it was',
    breakIt: (sound) => ({
      async restore(plan, files, options) {
        const report = await sound.restore(plan, files, options)
        const content = sound.server.items.get('accounts')
        if (content !== undefined) sound.server.write('accounts', content.subarray(0, -1))
        return report
      },
    }),
  },
  'cannot be called again after a cut': {
    caughtBy: 'can be cut and called again',
    breakIt: (sound) => ({
      async restore(plan, files, options) {
        sound.server.write('marker', 'restore began')
        return await sound.restore({ ...plan, target: { ...plan.target, fingerprint: sound.server.fingerprint() } }, files, options)
      },
    }),
  },
  'leaves its session open when a restore is aborted': {
    caughtBy: 'can be cut and called again',
    breakIt: (sound) => ({
      async restore(plan, files, options) {
        const session = sound.server.connect('load')
        const report = await sound.restore(plan, files, options)
        session.disconnect()
        return report
      },
    }),
  },
  'is called by two words': {
    caughtBy: 'declares its contract',
    breakIt: () => ({ application: 'Memory Server' }),
  },
  'calls the same server another one each time': {
    caughtBy: 'always the same source',
    breakIt: (sound) => {
      let times = 0
      return {
        async *discover(options) {
          for await (const source of sound.discover(options)) yield { ...source, id: `connection-${++times}` }
        },
      }
    },
  },
  'leaves out what it does not find, without a word': {
    caughtBy: 'refuses an item that does not exist',
    breakIt: (sound) => ({
      beginCapture: ({ items, ...request }, options) =>
        sound.beginCapture(
          { ...request, items: (items ?? [...sound.server.items.keys()]).filter((item) => sound.server.items.has(item)) },
          options,
        ),
    }),
  },
  'copies what is there when it gets to it': {
    caughtBy: 'keeps to one point in time',
    breakIt: (sound) =>
      withCapture(sound, (capture) => {
        const begun = new Map(sound.server.items)
        const mixed = (item: string): Uint8Array => {
          const before = begun.get(item) ?? Buffer.alloc(0)
          const now = sound.server.items.get(item) ?? before
          return now === before ? before : Buffer.concat([before.subarray(0, 100), now])
        }
        return {
          copyTo: (stage, options) =>
            capture.copyTo({ ...stage, write: (file, _, more) => stage.write(file, chunksOf(mixed(file.item), [1000]), more) }, options),
        }
      }),
  },
  'cannot be disposed twice': {
    caughtBy: 'disposed twice',
    breakIt: () => {
      let disposed = false
      return {
        async [Symbol.asyncDispose]() {
          if (disposed) throw new TypeError('already closed')
          disposed = true
        },
      }
    },
  },
  'restores everything': {
    caughtBy: 'restores only the items that are asked for',
    breakIt: (sound) => ({ planRestore: ({ backups, target }, options) => sound.planRestore({ backups, target }, options) }),
  },
  'restores under the old name': {
    caughtBy: 'under another name',
    breakIt: (sound) => ({
      planRestore: (request, options) => sound.planRestore({ ...request, target: { ...request.target, rename: {} } }, options),
    }),
  },
  'does not say what it overwrites': {
    caughtBy: 'says what it overwrites',
    breakIt: (sound) => ({
      async planRestore(request, options) {
        const plan = await sound.planRestore(request, options)
        return { ...plan, items: plan.items.map((item) => ({ ...item, overwrites: [] })) }
      },
    }),
  },
  'ignores restore options that it does not know': {
    caughtBy: 'refuses items and restore options',
    breakIt: (sound) => ({
      planRestore: (request, options) => sound.planRestore({ ...request, target: { ...request.target, options: {} } }, options),
    }),
  },
  'applies a log as a whole wherever it should stop': {
    caughtBy: 'stops a restore exactly where it is told',
    breakIt: (sound) => ({ planRestore: ({ stop: _, ...request }, options) => sound.planRestore(request, options) }),
  },
  'stops after the change that should be left out': {
    caughtBy: 'stops a restore exactly where it is told',
    breakIt: (sound) => withStop(sound, (stop) => ('beforePosition' in stop ? { position: stop.beforePosition } : stop)),
  },
  'stops one change too early': {
    caughtBy: 'stops a restore exactly where it is told',
    breakIt: (sound) => withStop(sound, (stop) => ('position' in stop ? { beforePosition: stop.position } : stop)),
  },
  'restores a log only where it begins right at the end of its full': {
    caughtBy: 'applies of a log that begins before its full',
    breakIt: (sound) => ({
      async planRestore(request, options) {
        const [full, log] = request.backups
        if (log !== undefined && log.from?.value.sequence !== full?.position?.value.sequence) {
          throw new BackupError('the log does not begin where the full ends', { code: 'INVALID_INPUT' })
        }
        return await sound.planRestore(request, options)
      },
    }),
  },
  'applies a log to nothing where it begins before its full': {
    caughtBy: 'applies of a log that begins before its full',
    breakIt: (sound) => ({
      async restore(plan, files, options) {
        const [full, ...logs] = plan.backups
        return await sound.restore(logs.length === 1 ? { ...plan, backups: [full ?? ''] } : plan, files, options)
      },
    }),
  },
  'looks for the moment to stop in each item by itself': {
    caughtBy: 'leaves out of a log, for all items alike',
    breakIt: (sound) => ({
      async restore(plan, files, options) {
        const report = await sound.restore(plan, files, options)
        if (plan.request.stop !== undefined) sound.server.write('orders', 'a later change of another item')
        return report
      },
    }),
  },
  'takes a stop that its last backup does not hold for none': {
    caughtBy: 'refuses a stop that it cannot honour',
    breakIt: (sound) => ({
      planRestore: (request, options) =>
        sound.planRestore(request, options).catch(() => {
          const { stop: _, ...without } = request
          return sound.planRestore(without, options)
        }),
    }),
  },
  'overlooks a stop that it does not support': {
    caughtBy: 'refuses a stop that it cannot honour',
    breakIt: (sound) => ({
      supports: { ...sound.supports, pointInTime: false },
      planRestore: ({ stop: _, ...request }, options) => sound.planRestore(request, options),
    }),
  },
  'takes any text for a position': {
    caughtBy: 'reads positions as operators write them',
    breakIt: () => ({ parsePosition: (text) => ({ sequence: String(Number.parseInt(text, 10)) }) }),
  },
  'follows without saying what its logs continue': {
    caughtBy: 'follows the server with logs that continue each other',
    breakIt: (sound) =>
      withFollowed(sound, (capture) => ({ facts: { ...capture.facts, from: { chain: 'another', value: { sequence: '1' } } } })),
  },
  'waits for the time to pass, however much has come': {
    caughtBy: 'as soon as it is as many bytes',
    breakIt: (sound) => ({ follow: (request, options) => soundFollow(sound)({ ...request, everyBytes: 2 ** 40 }, options) }),
  },
  'never says that it follows': {
    caughtBy: 'says that it follows once the server sends',
    breakIt: (sound) => ({ follow: (request, { signal } = {}) => soundFollow(sound)(request, { signal }) }),
  },
  'forgets what had come when following is aborted': {
    caughtBy: 'yields what has come when following is aborted',
    breakIt: (sound) => ({
      async *follow(request, options) {
        for await (const capture of soundFollow(sound)(request, options)) {
          if (options?.signal?.aborted !== true) yield capture
          else await capture[Symbol.asyncDispose]()
        }
      },
    }),
  },
  'ends following with an error when it is aborted': {
    caughtBy: 'yields what has come when following is aborted',
    breakIt: (sound) => ({
      async *follow(request, options) {
        yield* soundFollow(sound)(request, options)
        throw new BackupError('following was aborted', { code: 'ABORTED' })
      },
    }),
  },
  'connects before it looks at its signal': {
    caughtBy: 'follows nothing when it is aborted beforehand',
    breakIt: (sound) => ({
      async *follow(request, options) {
        sound.server.connect('follow')
        yield* soundFollow(sound)(request, options)
      },
    }),
  },
  'ends without a word when the server goes away': {
    caughtBy: 'yields what has come when the server goes away',
    breakIt: (sound) => ({
      async *follow(request, options) {
        try {
          yield* soundFollow(sound)(request, options)
        } catch {
          return
        }
      },
    }),
  },
  'goes on behind a gap': {
    caughtBy: 'refuses to follow with NOT_FOUND',
    breakIt: (sound) => ({
      async *follow(request, options) {
        try {
          yield* soundFollow(sound)(request, options)
        } catch {
          yield await sound.beginCapture({ ...request, kind: 'log' }, {})
        }
      },
    }),
  },
  'leaves a scratch place behind': {
    caughtBy: 'leaves nothing of it',
    breakIt: (sound) => withScratch(sound, () => ({ [Symbol.asyncDispose]: async () => undefined })),
  },
  'says nothing of what stays of a scratch place': {
    caughtBy: 'what stays of it and how to remove that',
    breakIt: (sound) =>
      withScratch(sound, (scratch) => ({ [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]().then(undefined, () => undefined) })),
  },
  'does not say how to remove what stays of a scratch place': {
    caughtBy: 'what stays of it and how to remove that',
    breakIt: (sound) =>
      withScratch(sound, (scratch) => ({
        [Symbol.asyncDispose]: () =>
          scratch[Symbol.asyncDispose]().then(undefined, () => Promise.reject(new BackupError('something stays', { code: 'UNKNOWN' }))),
      })),
  },
  'restores to the server itself in place of a scratch place': {
    caughtBy: 'leaves nothing of it',
    breakIt: (sound) => withScratch(sound, () => ({ agent: sound, target: { overwrite: true } })),
  },
  'checks nothing in a scratch place': {
    caughtBy: 'leaves nothing of it',
    breakIt: (sound) => withScratch(sound, () => ({ check: async () => [] })),
  },
  'calls sound what it has not looked at': {
    caughtBy: 'what should be there is missing',
    breakIt: (sound) =>
      withScratch(sound, () => ({
        check: async ({ items }) => items.map(({ item, to }) => ({ item, name: to, expected: 'OK', found: 'OK', passed: true })),
      })),
  },
  'opens a scratch place although it is aborted': {
    caughtBy: 'leaves nothing of a scratch place when it is aborted',
    breakIt: (sound) => ({ openScratch: (request) => soundScratch(sound)(request) }),
  },
  'removes only a scratch place that was checked': {
    caughtBy: 'leaves nothing of a scratch place when it is aborted',
    breakIt: (sound) =>
      withScratch(sound, (scratch) => {
        let checked = false
        return {
          check: async (report, options) => {
            const said = await scratch.check(report, options)
            checked = true
            return said
          },
          [Symbol.asyncDispose]: async () => (checked ? await scratch[Symbol.asyncDispose]() : undefined),
        }
      }),
  },
  'opens the same scratch place twice': {
    caughtBy: 'keeps two scratch places apart',
    breakIt: (sound) => {
      let only: Promise<Scratch> | undefined
      return { openScratch: (request, options) => (only ??= soundScratch(sound)(request, options)) }
    },
  },
  'takes any scratch option': {
    caughtBy: 'refuses scratch options that it does not know',
    breakIt: (sound) => ({ openScratch: ({ options: _, ...request }, options) => soundScratch(sound)(request, options) }),
  },
}

function soundScratch(sound: MemoryAgent): NonNullable<Agent['openScratch']> {
  if (sound.openScratch === undefined) throw new TypeError('the memory agent opens scratch places')
  return sound.openScratch
}

function withScratch(sound: MemoryAgent, change: (scratch: Scratch) => Partial<Scratch>): Partial<Agent> {
  return {
    async openScratch(request, options) {
      const scratch = await soundScratch(sound)(request, options)
      return { ...scratch, ...change(scratch) }
    },
  }
}

function withStop(sound: MemoryAgent, change: (stop: RestoreStop) => RestoreStop): Partial<Agent> {
  return {
    planRestore: (request, options) =>
      sound.planRestore(request.stop === undefined ? request : { ...request, stop: change(request.stop) }, options),
  }
}

function soundFollow(sound: MemoryAgent): NonNullable<Agent['follow']> {
  if (sound.follow === undefined) throw new TypeError('the memory agent follows')
  return sound.follow
}

function withFollowed(sound: MemoryAgent, change: (capture: Capture) => Partial<Capture>): Partial<Agent> {
  return {
    async *follow(request, options) {
      for await (const capture of soundFollow(sound)(request, options)) yield { ...capture, ...change(capture) }
    },
  }
}

function withCapture(sound: MemoryAgent, change: (capture: Capture) => Partial<Capture>): Partial<Agent> {
  return {
    async beginCapture(request, options) {
      const capture = await sound.beginCapture(request, options)
      return { ...capture, ...change(capture) }
    },
  }
}

describeCatches('agent', agentChecks, broken, (breakIt) => memoryAgentHarness((sound) => ({ ...sound, ...breakIt(sound) })))
