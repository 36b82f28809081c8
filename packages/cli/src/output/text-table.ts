import { printable } from './output.ts'

export interface TableColumn {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Columns as wide as their widest cell, two spaces apart, without trailing blanks. */
export function textTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(printable))
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => [...(row[index] ?? '')].length)))
  const lines = cells.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? ''
        const padding = ' '.repeat((widths[index] ?? 0) - [...cell].length)
        return align === 'right' ? padding + cell : cell + padding
      })
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
