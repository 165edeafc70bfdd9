// The pages' own socket: what happened, in batches. Offline is said in words, and what was missed comes afterwards.

export interface News {
  id: number
  event: string
  ticket_id: string | null
  at: string
  [word: string]: unknown
}

interface Batch {
  id: number
  events: News[]
}

type Hear = (news: News, fresh: boolean) => void

const FIRST = 500
const LONGEST = 10000
const OVER = 1008 // the session has ended

// `hear` gets each event; `fresh` where the page has not heard it yet. `back` is called when there is a gap to look for.
export function follow(hear: Hear, back: () => void, over: () => void): void {
  let newest = Number(document.body.dataset.event)

  function connect(wait: number): void {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const socket = new WebSocket(`${scheme}://${location.host}/dashboard/live?since=${newest}`)
    let was = false
    socket.addEventListener('open', () => {
      was = true
      say('Live', true)
      if (wait > FIRST) back()
    })
    socket.addEventListener('message', (message: MessageEvent<string>) => {
      const batch = JSON.parse(message.data) as Batch
      for (const news of batch.events) hear(news, news.id > newest)
      newest = Math.max(newest, batch.id)
    })
    socket.addEventListener('close', (event) => {
      say('Offline', false)
      if (event.code === OVER) return over()
      const pause = was ? FIRST : Math.min(wait * 2, LONGEST)
      setTimeout(() => connect(Math.max(pause, FIRST + 1)), pause * (0.7 + 0.6 * Math.random()))
    })
  }

  connect(FIRST)
}

function say(words: string, on: boolean): void {
  const live = document.getElementById('live')!
  live.hidden = false
  if (live.textContent !== words) live.textContent = words
  live.classList.toggle('off', !on)
}
