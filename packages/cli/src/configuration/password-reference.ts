import { resolve } from 'node:path'

/** Where a setting takes its text from. */
export type SettingSource =
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'variable'; readonly name: string }
  | { readonly from: 'text' }

/** By a text that is a reference and nothing else; what only holds one is a text. */
export function sourceOf(value: unknown): SettingSource {
  const [, kind, name = ''] = /^\$\{(env|file):([^}]+)\}$/.exec(String(value)) ?? []
  if (kind === 'file') return { from: 'file', path: resolve(name) }
  return kind === 'env' ? { from: 'variable', name } : { from: 'text' }
}

/** @param configuration the file in which the setting stands */
export function sourceText(source: SettingSource, configuration: string): string {
  if (source.from === 'file') return `the file ${source.path}`
  return source.from === 'variable' ? `the variable ${source.name}` : configuration
}

/** Paths of the settings, such as `jobs.shop.settings.password`, that read this file. */
export function readersOf(file: string, value: unknown, path = ''): readonly string[] {
  if (typeof value === 'string') {
    const read = [...value.matchAll(/(?<!\$)\$\{file:([^}]+)\}/g)].map(([, name = '']) => resolve(name))
    return read.includes(file) ? [path] : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => readersOf(file, entry, path === '' ? key : `${path}.${key}`))
}
