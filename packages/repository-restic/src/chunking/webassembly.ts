/** The part of WebAssembly that is used here: the types of Node do not describe it, and those of the browser bring a browser with them. */
export interface WebAssemblyModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module'
}

/** Made with `shared: true`, so that worker threads see the same bytes. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
}

/** Sizes in pages of 64 KiB. */
export interface SharedMemorySize {
  readonly initial: number
  readonly maximum: number
}

interface WebAssemblyGlobal {
  readonly Module: new (bytes: Uint8Array) => WebAssemblyModule
  readonly Instance: new (
    module: WebAssemblyModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: unknown }
  readonly Memory: new (size: SharedMemorySize & { readonly shared: true }) => SharedMemory
}

const { WebAssembly: webAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }

export function createSharedMemory(size: SharedMemorySize): SharedMemory {
  return new webAssembly.Memory({ ...size, shared: true })
}

export function compileModule(bytes: Uint8Array): WebAssemblyModule {
  return new webAssembly.Module(bytes)
}

/** Functions that the module exports; which ones the caller knows, because it knows the module's source. */
export function instantiateModule<Exports>(module: WebAssemblyModule, env: Readonly<Record<string, unknown>>): Exports {
  return new webAssembly.Instance(module, { env }).exports as Exports
}
