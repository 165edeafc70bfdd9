// The view is the address, and its form the editor: what is as usual stays out of the address.

import { toast } from './toasts'

interface Asked {
  ctx: { request: { method: string; body: FormData | URLSearchParams | null } }
}

interface Answered {
  ctx: { text?: string; response: { status: number } }
}

export function keepView(): void {
  document.addEventListener('htmx:config:request', (event) => {
    const { request } = (event as unknown as CustomEvent<Asked>).detail.ctx
    if (request.method !== 'GET' || !request.body) return
    for (const [name, value] of [...request.body]) if (value === '') request.body.delete(name)
  })
  document.addEventListener('change', (event) => {
    const select = event.target
    if (select instanceof HTMLSelectElement) select.classList.toggle('chosen', select.name !== 'sort' && select.value !== '')
  })
  document.addEventListener('htmx:response:error', (event) => toast(why((event as unknown as CustomEvent<Answered>).detail)))
  document.addEventListener('keydown', (event) => {
    const search = document.getElementById('q')
    const typing = event.target instanceof Element && event.target.closest('input, select, textarea')
    if (event.key !== '/' || event.ctrlKey || event.metaKey || typing || !search) return
    event.preventDefault()
    search.focus()
  })
}

// The server's own words, where it had some.
function why({ ctx }: Answered): string {
  try {
    return String(JSON.parse(ctx.text ?? '').detail)
  } catch {
    return `That did not work (${ctx.response.status}).`
  }
}
