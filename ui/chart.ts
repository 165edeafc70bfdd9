// Draws the plots of a page from the tables that hold their numbers.

import uPlot from 'uplot'

type Plot = HTMLElement
type Column = (number | null)[]

const HEIGHT = 180
const DAY = 86400
const WHOLE = [1, 2, 7, 14, 28, 56].map((days) => days * DAY)
const drawn = new Map<Plot, uPlot>()

const words = (plot: Plot): string[] => (plot.dataset.columns ?? '').split(' ')

// The cells of a column, oldest day first; `–` is no number.
function column(table: HTMLElement, name: string): Column {
  const cells = [...table.querySelectorAll<HTMLElement>(`[data-is="${name}"]`)].reverse()
  return cells.map(({ textContent }) => (textContent && /\d/.test(textContent) ? Number(textContent.replace(/[^\d.-]/g, '')) : null))
}

function days(table: HTMLElement): number[] {
  return [...table.querySelectorAll('[data-is="day"]')].reverse().map((cell) => Date.parse(`${cell.textContent}T00:00:00Z`) / 1000)
}

// Stacked bars are drawn from the whole to its first part, each over the one before.
function stacked(columns: Column[]): Column[] {
  return columns.map((_, at) => columns[0]!.map((__, day) => columns.slice(0, at + 1).reduce((sum, one) => sum + (one[day] ?? 0), 0)))
}

// A canvas does not know `light-dark()`: an element of the duty is asked for its colour.
function colour(plot: Plot, duty: string): string {
  const probe = document.createElement('i')
  probe.className = `probe ${duty}`
  plot.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}

function draw(plot: Plot): void {
  const table = document.getElementById(plot.dataset.of!)
  if (!table) return
  const bars = plot.dataset.plot === 'bars'
  const names = words(plot)
  const columns = names.map((name) => column(table, name))
  const shown = bars ? stacked(columns).reverse() : columns
  const duties = bars ? [...names].reverse() : names.map((name) => (name.startsWith('healed') ? 'healed' : 'all'))
  drawn.get(plot)?.destroy()
  plot.replaceChildren()
  drawn.set(plot, new uPlot(options(plot, duties, bars, columns, table), [days(table), ...shown], plot))
}

function options(plot: Plot, duties: string[], bars: boolean, columns: Column[], table: HTMLElement): uPlot.Options {
  const line = colour(plot, 'line')
  const axis = { stroke: colour(plot, 'muted'), grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '12px Inter, sans-serif' }
  const say = plot.ownerDocument.querySelector(`.readout[data-for="${plot.id}"]`)
  return {
    width: plot.clientWidth,
    height: HEIGHT,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
    legend: { show: false },
    cursor: { y: false, points: { show: !bars }, drag: { x: false, y: false } },
    scales: { x: { range: (_, least, most) => [least - DAY / 2, most + DAY / 2] }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.05] } },
    axes: [
      { ...axis, size: 28, space: 64, incrs: WHOLE, grid: { show: false }, values: (_, at) => at.map(dated) },
      { ...axis, size: 44, values: (_, at) => at.map((value) => (bars && value % 1 ? '' : String(value))) },
    ],
    series: [{}, ...duties.map((duty) => series(colour(plot, duty), bars))],
    hooks: { setCursor: [(self) => say && tell(say, self.cursor.idx ?? null, words(plot), columns, days(table))] },
  }
}

function series(stroke: string, bars: boolean): uPlot.Series {
  if (!bars) return { stroke, width: 1.6, spanGaps: true, points: { show: true, size: 4, fill: stroke } }
  return { stroke, fill: stroke, width: 0, paths: uPlot.paths.bars!({ size: [0.72, 40] }), points: { show: false } }
}

const dated = (at: number): string => new Date(at * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function tell(where: Element, at: number | null, names: string[], columns: Column[], when: number[]): void {
  const said = at === null ? '' : names.map((name, which) => `${columns[which]?.[at] ?? '–'} ${LABELS[name] ?? name}`).join(', ')
  where.textContent = at === null ? '' : `${dated(when[at] ?? 0)}: ${said}`
}

const LABELS: Record<string, string> = { rest: 'others', healed_mttr: 'min healed', mttr: 'min all' }

export function drawPlots(): void {
  for (const [plot, chart] of drawn) {
    if (plot.isConnected) continue
    chart.destroy()
    drawn.delete(plot)
  }
  document.querySelectorAll<Plot>('[data-plot]').forEach(draw)
}

export function keepPlots(): void {
  drawPlots()
  document.addEventListener('htmx:after:swap', drawPlots)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawPlots)
  addEventListener('resize', drawPlots)
}
