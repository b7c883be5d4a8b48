// Keeps a page about a starting session fresh, and loads the app once it answers.
const EVERY_MS = 700
const AFTER_FAILURE_MS = 3000

// Beside this script, wherever that lies.
const STATE = new URL('state', document.currentScript.src)

const part = (id) => document.getElementById(id)

function drawSteps(steps) {
  const list = part('steps')
  if (!list) return
  list.replaceChildren(
    ...steps.map((step) => {
      const item = document.createElement('li')
      item.className = step.done ? 'done' : 'open'
      item.textContent = step.label
      if (step.note) {
        const note = document.createElement('small')
        note.textContent = step.note
        item.append(' ', note)
      }
      return item
    }),
  )
}

function drawAction(action) {
  part('action')?.remove()
  if (!action) return
  const link = document.createElement('a')
  Object.assign(link, { id: 'action', className: 'button', target: '_top', href: action.href })
  link.textContent = action.label
  document.querySelector('main').append(link)
}

function draw(state) {
  if (part('title').textContent !== state.title) part('title').textContent = document.title = state.title
  if (part('text').textContent !== state.text) part('text').textContent = state.text
  drawSteps(state.steps)
  drawAction(state.action)
}

async function look() {
  try {
    const answer = await fetch(STATE, { cache: 'no-store' })
    // Not to be seen any more: the page that says so has no script.
    if (answer.status === 403 || answer.status === 404) return location.reload()
    if (!answer.ok) throw new Error(answer.statusText)
    const state = await answer.json()
    if (state.ready) return location.reload()
    draw(state)
    if (!state.settled) setTimeout(look, EVERY_MS)
  } catch {
    // The server is away for a moment, or the network is.
    setTimeout(look, AFTER_FAILURE_MS)
  }
}

setTimeout(look, EVERY_MS)
