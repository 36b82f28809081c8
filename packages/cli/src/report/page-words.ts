import { html, type Markup } from './page-markup.ts'

/** A moment to the second, as people read it; every page says that they are UTC. */
export function moment(iso: string): Markup {
  return html`<time datetime="${iso}">${iso.replace('T', ' ').replace(/(\.\d+)?Z$/, '')}</time>`
}

/** Texts of applications can be endless; what is cut says so. */
export function shortened(text: string, longest = 1000): string {
  return text.length <= longest ? text : `${text.slice(0, longest)} … (${text.length - longest} more characters)`
}

/** The first of many, and how many there are more. */
export function listed(texts: readonly string[], most: number): string {
  const more = texts.length - most
  return more <= 0 ? texts.join(', ') : `${texts.slice(0, most).join(', ')} and ${number(more)} more`
}

export function number(value: number): string {
  return value.toLocaleString('en-US')
}
