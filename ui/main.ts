// What every page of the dashboard runs. Without it every page still works.

import { follow, type News } from './live'
import { keepList } from './list'
import { keepMenus } from './menus'
import { keepAlive, look, soon } from './page'
import { announce } from './toasts'
import { keepView } from './view'

function hear(news: News, fresh: boolean): void {
  if (fresh) announce(news)
  if (news.event === 'automation_changed') return document.hidden ? soon() : void look() // the banner, on every page, at once
  const story = document.querySelector<HTMLElement>('[data-ticket]')
  if (!story || story.dataset.ticket === news.ticket_id) soon()
}

keepList()
keepMenus()
keepView()
keepAlive()
if (document.querySelector('[data-plot]')) void import('./chart').then(({ keepPlots }) => keepPlots())
follow(hear, soon, () => void look()) // the session is over: the answer leads to the sign-in page
