// Times: short and relative, rewritten every ten seconds, never ticking. The server says the same words.

export function rough(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0)
  if (whole < 60) return '<1m'
  if (whole < 3600) return `${Math.floor(whole / 60)}m`
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`
  return `${Math.floor(whole / 86400)}d`
}

function said(time: HTMLTimeElement): string | null {
  const away = (Date.parse(time.dateTime) - Date.now()) / 1000
  switch (time.dataset.time) {
    case 'ago':
      return rough(-away)
    case 'until':
      return away > 0 ? rough(away) : 'now'
    case 'sla':
      time.classList.toggle('over', away < 0)
      return away >= 0 ? `${rough(away)} left` : `${rough(-away)} over`
    default:
      return null
  }
}

export function tellTimes(): void {
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-time]:not([data-time=''])")) {
    const words = said(time)
    if (words !== null && time.textContent !== words) time.textContent = words
  }
}

// What a piece of a page says, apart from times, which are written here.
export const meaning = (piece: Element): string =>
  piece.innerHTML.replace(/(<time[^>]*>)[^<]*/g, '$1').replace(/ class="(over)?"/g, '')
