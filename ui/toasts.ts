// News for people: the plan's three, what needs a person, and what went wrong on the way.

import type { News } from './live'

const STAYS = 6000
const MOST = 3

const WORDS: Record<string, (news: News) => string> = {
  remediation_started: (news) => `🤖 Auto-remediation started for ${news.ticket_id}`,
  approval_requested: (news) => `🔔 ${news.reminder ? 'Still needs approval' : 'Approval needed'} for ${news.ticket_id}`,
  status_update: (news) => {
    if (news.remediation_success) return `✅ Auto-remediation succeeded for ${news.ticket_id}`
    return news.remediation_failed ? `⚠️ Auto-remediation failed for ${news.ticket_id} - Manual intervention required` : ''
  },
}

export function announce(news: News): void {
  const words = WORDS[news.event]?.(news)
  if (words) toast(words, `/dashboard?ticket=${encodeURIComponent(news.ticket_id ?? '')}`)
}

export function toast(words: string, address?: string): void {
  const box = document.getElementById('toasts')!
  const news = document.createElement(address ? 'a' : 'p')
  news.className = 'toast'
  news.textContent = words
  if (address) news.setAttribute('href', address)
  box.append(news)
  while (box.children.length > MOST) box.firstChild?.remove()
  const leave = (): void => {
    if (news.matches(':hover, :focus')) setTimeout(leave, 2000)
    else news.remove()
  }
  setTimeout(leave, STAYS)
}
