// Keeps a page alive: asks for its content again when something has happened, and lets htmx morph what differs.

import htmx from 'htmx.org'
import { tellTimes } from './times'

const QUIET = Number(document.body.dataset.quiet) // least milliseconds between two looks
const LOOK_AGAIN = 30000 // for what no event tells: a feed, a pause that is over

let asking: AbortController | null = null
let again = false
let last = 0
let took = 0
let timer = 0
let asked = true

// Whether the swap that is under way came from the reader, who wants to see all of it.
export const readerAsked = (): boolean => asked

function later(wait: number): void {
  clearTimeout(timer)
  timer = setTimeout(() => void look(), wait)
}

// At once, then at most every so often; a busy server is asked less often, and one question at a time.
export function soon(): void {
  const wait = Math.max(QUIET, 2 * took) - (Date.now() - last)
  if (document.hidden || asking) again = true
  else if (wait <= 0) void look()
  else later(wait)
}

export async function look(forReader = false): Promise<void> {
  clearTimeout(timer)
  asking?.abort()
  const mine = (asking = new AbortController())
  const address = location.href
  last = Date.now()
  again = false
  try {
    const headers = { 'HX-Request': 'true', 'HX-Request-Type': 'partial', 'HX-Current-URL': address }
    const answer = await fetch(address, { headers, signal: mine.signal, cache: 'no-store' })
    const leads = answer.headers.get('HX-Redirect')
    if (leads) return location.assign(leads)
    const text = await answer.text()
    if (answer.ok && !mine.signal.aborted && address === location.href) await show(text, forReader)
    took = Date.now() - last
  } catch (error) {
    if (!mine.signal.aborted) again = true // offline: the socket says so, and asks again when it is back
  } finally {
    if (asking === mine) {
      asking = null
      if (again && !document.hidden) later(Math.max(QUIET, 2 * took))
    }
  }
}

async function show(text: string, forReader: boolean): Promise<void> {
  asked = forReader
  try {
    await htmx.swap({ text, target: document.getElementById('main')!, swap: 'innerMorph', sourceElement: document.body })
  } finally {
    asked = true
  }
}

export function keepAlive(): void {
  document.documentElement.classList.add('alive')
  tellTimes()
  setInterval(tellTimes, 10000)
  setInterval(soon, LOOK_AGAIN)
  document.addEventListener('htmx:before:request', () => asking?.abort()) // the reader has asked for something else
  document.addEventListener('htmx:after:swap', tellTimes)
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && again) void look()
  })
}
