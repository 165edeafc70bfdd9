// Menus are `details.act`: Escape and a press elsewhere close them.

const open = (): NodeListOf<Element> => document.querySelectorAll('details.act[open]')

export function keepMenus(): void {
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') for (const one of open()) one.removeAttribute('open')
  })
  document.addEventListener('click', (event) => {
    for (const one of open()) if (!one.contains(event.target as Node)) one.removeAttribute('open')
  })
}
