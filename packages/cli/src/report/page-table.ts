import { type Content, html, type Markup } from './page-markup.ts'

export interface PageColumn {
  readonly title: string
  readonly align?: 'right'
}

/**
 * The first cell of each row names it. On a narrow screen each row is a card with the titles beside the values; the roles say that it is a table all the
 * same, which browsers forget of one that is not laid out as one.
 */
export function table(caption: Content, columns: readonly PageColumn[], rows: readonly (readonly Content[])[]): Markup {
  return html`<table role="table"><caption>${caption}</caption><thead role="rowgroup"><tr role="row">${columns.map(
    ({ title, align }) => html`<th role="columnheader" scope="col"${align === undefined ? '' : html` class="n"`}>${title}</th>`,
  )}</tr></thead><tbody role="rowgroup">${rows.map(
    (row) => html`<tr role="row">${row.map((cell, at) => cellOf(cell, columns[at], at))}</tr>
`,
  )}</tbody></table>`
}

function cellOf(cell: Content, column: PageColumn | undefined, at: number): Markup {
  if (at === 0) return html`<th role="rowheader" scope="row">${cell}</th>`
  if (cell === '' || cell === undefined) return html`<td role="cell" class="empty"></td>`
  return html`<td role="cell"${column?.align === undefined ? '' : html` class="n"`} data-label="${column?.title}">${html`<span>${cell}</span>`}</td>`
}
