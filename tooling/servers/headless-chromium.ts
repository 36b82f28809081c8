import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'

export interface SeenPage {
  /** In CSS pixels: of the content, and of the window it is seen in. */
  readonly contentWidth: number
  readonly windowWidth: number
  /** What the page asked for, besides itself. */
  readonly requests: readonly string[]
  /** What the browser says of it, and violations of its policy. */
  readonly complaints: readonly string[]
  readonly title: string
  /** PNG of the whole page. */
  readonly picture: Buffer
}

export interface PageView {
  /** In CSS pixels. */
  readonly width: number
  readonly dark?: boolean
  readonly print?: boolean
}

/** A browser that looks at pages from the disk, spoken to through pipes: when this process ends, it does. */
export interface HeadlessChromium extends AsyncDisposable {
  look(file: string, view: PageView): Promise<SeenPage>
}

/** The program `chromium` must be on the path. */
export async function startHeadlessChromium(): Promise<HeadlessChromium> {
  const profile = await mkdtemp(join(tmpdir(), 'bp-chromium-'))
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
  ]
  const child = spawn('chromium', [...flags, `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const protocol = new Protocol(child)
  await protocol.call('Browser.getVersion')
  return {
    look: (file, view) => look(protocol, file, view),
    async [Symbol.asyncDispose]() {
      await protocol.call('Browser.close').catch(() => undefined)
      await ended
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function look(protocol: Protocol, file: string, { width, dark = false, print = false }: PageView): Promise<SeenPage> {
  const address = pathToFileURL(file).href
  const { targetId } = await protocol.call('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await protocol.call('Target.attachToTarget', { targetId, flatten: true })
  const call = (method: string, parameters: object = {}) => protocol.call(method, parameters, String(sessionId))
  const requests: string[] = []
  const complaints: string[] = []
  const loaded = Promise.withResolvers<void>()
  protocol.listen(String(sessionId), (method, parameters) => {
    if (method === 'Network.requestWillBeSent') requests.push((parameters as { request: { url: string } }).request.url)
    if (
      method === 'Log.entryAdded' ||
      method === 'Runtime.exceptionThrown' ||
      method === 'Runtime.consoleAPICalled' ||
      method === 'Audits.issueAdded'
    )
      complaints.push(JSON.stringify(parameters))
    if (method === 'Page.loadEventFired') loaded.resolve()
  })
  for (const domain of ['Page', 'Network', 'Log', 'Runtime', 'Audits']) await call(`${domain}.enable`)
  await call('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: width < 600 })
  await call('Emulation.setEmulatedMedia', {
    media: print ? 'print' : 'screen',
    features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
  })
  await call('Page.navigate', { url: address })
  await loaded.promise
  const measured = await call('Runtime.evaluate', {
    expression: 'JSON.stringify([document.documentElement.scrollWidth, document.documentElement.clientWidth, document.title])',
  })
  const [contentWidth, windowWidth, title] = JSON.parse(String((measured.result as { value: string }).value)) as [number, number, string]
  const { data } = await call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })
  await protocol.call('Target.closeTarget', { targetId })
  return {
    contentWidth,
    windowWidth,
    requests: requests.filter((url) => url !== address),
    complaints,
    title,
    picture: Buffer.from(String(data), 'base64'),
  }
}

type Answer = Readonly<Record<string, unknown>>

/** The Chrome DevTools Protocol over two pipes: JSON, a zero byte behind each. */
class Protocol {
  readonly #write: Writable
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>()
  readonly #listeners = new Map<string, (method: string, parameters: unknown) => void>()
  #last = 0
  #rest = Buffer.alloc(0)

  constructor(child: ChildProcess) {
    this.#write = child.stdio[3] as Writable
    this.#write.on('error', () => undefined)
    const read = child.stdio[4] as Readable
    read.on('data', (chunk: Buffer) => this.#read(chunk))
    const gone = (error: Error) => {
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    }
    child.once('error', gone)
    child.once('close', () => gone(new Error('the browser has ended')))
  }

  call(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>()
    const id = ++this.#last
    this.#waiting.set(id, answer)
    this.#write.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return answer.promise
  }

  listen(sessionId: string, listener: (method: string, parameters: unknown) => void): void {
    this.#listeners.set(sessionId, listener)
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (let end = this.#rest.indexOf(0); end >= 0; end = this.#rest.indexOf(0)) {
      this.#take(JSON.parse(this.#rest.subarray(0, end).toString('utf8')) as Message)
      this.#rest = this.#rest.subarray(end + 1)
    }
  }

  #take({ id, result, error, method, params, sessionId }: Message): void {
    if (id === undefined) return void this.#listeners.get(sessionId ?? '')?.(method ?? '', params)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result ?? {})
    else waiting?.reject(new Error(`the browser refuses: ${error.message}`))
  }
}

interface Message {
  readonly id?: number
  readonly result?: Answer
  readonly error?: { readonly message: string }
  readonly method?: string
  readonly params?: unknown
  readonly sessionId?: string
}
