import { defineConfig, type Options } from 'tsup'

/** The one way packages here are built: ESM, declarations, sources left readable in stack traces. */
export function packageBuild(entry: Record<string, string>, overrides: Options = {}) {
  return defineConfig({
    entry,
    format: 'esm',
    target: 'node22.15',
    platform: 'node',
    dts: true,
    sourcemap: true,
    splitting: true,
    clean: true,
    ...overrides,
  })
}
