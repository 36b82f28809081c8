import { printable } from '../output/output.ts'

/** HTML that may stand in a page as it is. Only `html` makes it, so that no text gets there without being escaped. */
export class Markup {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

export type Content = Markup | string | number | undefined | readonly Content[]

/** Markup in which every text that is put in is escaped, also inside of quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.map((text, at) => text + sourceOf(values[at])).join(''))
}

/** A name from outside, which may be written from right to left: it stays apart from what stands around it. */
export function name(text: string): Markup {
  return html`<bdi>${text}</bdi>`
}

function sourceOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.source
  if (typeof content === 'object') return content.map(sourceOf).join('')
  return escaped(String(content))
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return printable(text.toWellFormed()).replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? '')
}
