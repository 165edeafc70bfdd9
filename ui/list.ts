// The list: rows by id. Nothing is moved or taken away while a hand or the reader is in it.

import htmx from 'htmx.org'
import { look, readerAsked, soon } from './page'
import { meaning } from './times'

const READING = 80 // pixels from the top: further down somebody reads

type Rows = Map<string, HTMLTableRowElement>

const rowsOf = (list: Element): Rows =>
  new Map([...list.querySelectorAll<HTMLTableRowElement>('tr[data-id]')].map((row) => [row.dataset.id!, row]))
const busy = (list: Element): boolean =>
  list.matches(':hover') || list.contains(document.activeElement) || window.scrollY > READING

// Before htmx morphs the list. Where it would move rows under a hand only their words change, and a pill tells the rest.
function beforeMorph(list: Element, fresh: Element): boolean {
  const old = rowsOf(list)
  const coming = rowsOf(fresh)
  const order = [...old.keys()]
  const same = old.size === coming.size && [...coming.keys()].every((id, at) => order[at] === id)
  const changed = [...coming].filter(([id, row]) => old.has(id) && meaning(old.get(id)!) !== meaning(row)).map(([id]) => id)
  if (!same && old.size > 0 && busy(list)) {
    for (const id of changed) refresh(old.get(id)!, coming.get(id)!)
    for (const [id, row] of old) row.classList.toggle('leaving', !coming.has(id))
    offer(list, [...coming.keys()].filter((id) => !old.has(id)).length)
    return false
  }
  const added = old.size > 0 ? [...coming.keys()].filter((id) => !old.has(id)) : []
  queueMicrotask(() => mark(list, new Set([...changed, ...added])))
  return true
}

function refresh(row: HTMLTableRowElement, fresh: HTMLTableRowElement): void {
  row.className = fresh.className
  ;[...row.cells].forEach((cell, at) => {
    const other = fresh.cells[at]!
    if (cell.contains(document.activeElement) || meaning(cell) === meaning(other)) return
    cell.replaceChildren(...other.cloneNode(true).childNodes)
  })
  markRow(row)
}

function mark(list: Element, ids: Set<string>): void {
  for (const [id, row] of rowsOf(list)) if (ids.has(id)) markRow(row)
}

function markRow(row: Element): void {
  row.classList.remove('changed')
  void (row as HTMLElement).offsetWidth // lets the animation begin anew
  row.classList.add('changed')
}

function offer(list: Element, number: number): void {
  list.querySelector('.pill-new')?.remove()
  if (!number) return
  const pill = document.createElement('button')
  pill.type = 'button'
  pill.className = 'pill-new'
  pill.textContent = number === 1 ? 'Show 1 new ticket' : `Show ${number} new tickets`
  pill.addEventListener('click', () => {
    window.scrollTo(0, 0)
    void look(true)
  })
  list.prepend(pill)
}

export function keepList(): void {
  htmx.registerExtension('list', {
    htmx_before_morph_node: (old: Element, { newNode }: { newNode: Element }) =>
      old.id !== 'list' || readerAsked() || beforeMorph(old, newNode),
  })
  document.addEventListener('mouseleave', () => {
    if (document.querySelector('.leaving, .pill-new')) soon()
  })
}
