import { describeDuration } from '../configuration/duration.ts'
import { html, type Markup, name } from './page-markup.ts'
import { table } from './page-table.ts'
import { listed, moment, number, shortened } from './page-words.ts'
import type { JobReport, RestorableGroup } from './report-data.ts'

/** In units of the drawing, which is stretched to the width of the page. */
const width = 1000

/** The restorable windows of each group of items on one axis, and the same as a table. */
export function windowsTimeline(job: JobReport, madeAt: string, most: number): Markup {
  const restorable = job.restorable.filter(({ windows }) => windows.length > 0)
  if (restorable.length === 0) return html`<p>Nothing of this job can be restored.</p>`
  const axis = axisOf(restorable, madeAt)
  const lanes = restorable.slice(0, most)
  return html`${keyOf(job)}${lanes.map((group) => lane(group, job, axis))}<p class="axis" aria-hidden="true">${axis.labels.map(
    (label) => html`<span>${label}</span>`,
  )}</p>${lostItems(job)}${windowsTable(restorable, job, most)}`
}

interface Axis {
  readonly from: number
  readonly to: number
  readonly labels: readonly string[]
}

function axisOf(groups: readonly RestorableGroup[], madeAt: string): Axis {
  let from = Date.parse(madeAt)
  let to = from
  for (const { from: begins, to: ends } of groups.flatMap(({ windows }) => windows.flatMap(({ times }) => times))) {
    from = Math.min(from, Date.parse(begins))
    to = Math.max(to, Date.parse(ends))
  }
  const length = to - from
  const labels = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const iso = new Date(from + length * part).toISOString().replace('T', ' ')
    return iso.slice(0, length < 3 * 86_400_000 ? (length < 3_600_000 ? 19 : 16) : 10)
  })
  return { from, to: Math.max(to, from + 1), labels }
}

function lane(group: RestorableGroup, { pointInTime }: JobReport, { from, to }: Axis): Markup {
  const place = (iso: string) => Math.round(((Date.parse(iso) - from) / (to - from)) * width)
  const moments = new Set<number>()
  const spans: { readonly from: number; to: number }[] = []
  for (const window of group.windows) {
    for (const times of window.times) {
      if (window.kind === 'moment') moments.add(place(times.from))
      else spans.push({ from: place(times.from), to: place(times.to) })
    }
  }
  const [top, bottom] = pointInTime ? [3, 17] : [8, 12]
  const bars = merged(spans).map((span) => `M${span.from} ${top}H${Math.max(span.to, span.from + 2)}V${bottom}H${span.from}Z`)
  const marks = [...moments].sort((a, b) => a - b).map((at) => `M${Math.min(at, width - 1)} 1V19`)
  return html`<div class="lane"><p>${itemsText(group.items)}</p><svg viewBox="0 0 ${width} 20" preserveAspectRatio="none" role="img" aria-label="${spoken(group, pointInTime)}"><rect class="track" x="0" y="3" width="${width}" height="14" vector-effect="non-scaling-stroke"/>${
    bars.length === 0 ? '' : html`<path class="span" d="${bars.join('')}"/>`
  }${marks.length === 0 ? '' : html`<path class="moment" d="${marks.join('')}" vector-effect="non-scaling-stroke"/>`}</svg></div>
`
}

/** Spans that nobody could see a gap between; the gaps themselves are told in words. */
function merged(spans: readonly { readonly from: number; readonly to: number }[]): readonly { readonly from: number; to: number }[] {
  const all: { readonly from: number; to: number }[] = []
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = all.at(-1)
    if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to)
    else all.push({ ...span })
  }
  return all
}

function spoken({ windows }: RestorableGroup, pointInTime: boolean): string {
  const times = windows.flatMap((window) => window.times)
  const exact = windows.filter(({ kind }) => kind === 'exact').flatMap((window) => window.times).length
  const what = [
    ...(exact === 0
      ? []
      : [`${number(exact)} ${exact === 1 ? 'interval' : 'intervals'} with ${pointInTime ? 'any moment' : 'each backup'}`]),
    ...(times.length === exact ? [] : [`${number(times.length - exact)} single ${times.length - exact === 1 ? 'moment' : 'moments'}`]),
  ]
  const ends = [times.map(({ from }) => from).reduce(earlier), times.map(({ to }) => to).reduce(later)]
  return `${what.join(' and ')} between ${ends.join(' and ')}, as the table below says`
}

function earlier(a: string, b: string): string {
  return a < b ? a : b
}

function later(a: string, b: string): string {
  return a < b ? b : a
}

function keyOf({ pointInTime, restorable }: JobReport): Markup {
  const kinds = new Set(restorable.flatMap(({ windows }) => windows.map(({ kind }) => kind)))
  const sign = (content: Markup) => html`<svg viewBox="0 0 28 20" aria-hidden="true">${content}</svg>`
  const [top, height] = pointInTime ? [3, 14] : [8, 4]
  return html`<ul class="key">${
    kinds.has('exact')
      ? html`<li>${sign(html`<rect class="span" x="0" y="${top}" width="28" height="${height}"/>`)}${
          pointInTime ? 'any moment' : 'each backup in this interval'
        }</li>`
      : ''
  }${kinds.has('moment') ? html`<li>${sign(html`<path class="moment" d="M14 1V19"/>`)}the moment of one backup</li>` : ''}</ul>`
}

function itemsText(items: readonly string[]): Markup {
  const [first = ''] = items
  if (items.length === 1) return html`<strong>${name(shortened(first, 400))}</strong>`
  const shown = items.slice(0, 20).map((item, at) => [at === 0 ? '' : ', ', name(shortened(item, 400))])
  const more = items.length - shown.length
  return html`<strong>${number(items.length)} items</strong>: ${shown}${more <= 0 ? '' : ` and ${number(more)} more`}`
}

function lostItems({ restorable, itemsLeftOut }: JobReport): Markup {
  const lost = restorable.filter(({ windows }) => windows.length === 0).flatMap(({ items }) => items)
  return html`${
    lost.length === 0
      ? ''
      : html`<p><span class="tag error">Not restorable</span> ${listed(
          lost.map((item) => shortened(item, 400)),
          50,
        )}</p>`
  }${
    itemsLeftOut === 0
      ? ''
      : html`<p class="soft">${number(itemsLeftOut)} more items have moments of their own; "backup-planet windows" shows them one by one.</p>`
  }`
}

function windowsTable(groups: readonly RestorableGroup[], { pointInTime }: JobReport, most: number): Markup {
  const columns = [
    { title: 'Items' },
    { title: 'Restorable' },
    { title: 'From' },
    { title: 'To' },
    { title: 'Length', align: 'right' },
    { title: 'Last backup' },
  ] as const
  const rows = groups.flatMap(({ items, windows }) =>
    windows.flatMap((window) =>
      window.times.toReversed().map(({ from, to }) => ({
        items,
        restorable: window.kind === 'moment' ? 'this moment' : pointInTime ? 'any moment' : 'each backup',
        from,
        to,
        backup: window.to.backup,
      })),
    ),
  )
  const left = rows.length - most
  return table(
    `The same in words, the newest history first${left > 0 ? `; the first ${number(most)} of ${number(rows.length)}` : ''}`,
    columns,
    rows
      .slice(0, most)
      .map(({ items, restorable, from, to, backup }) => [
        items.length === 1 ? name(shortened(items[0] ?? '', 400)) : `${number(items.length)} items`,
        restorable,
        moment(from),
        from === to ? '' : moment(to),
        from === to ? '' : describeDuration(Date.parse(to) - Date.parse(from)),
        html`<code>${backup}</code>`,
      ]),
  )
}
