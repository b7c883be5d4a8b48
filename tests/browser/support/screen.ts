// The screen of a desktop, as the page draws it.

import type { Locator, Page, WebSocket } from '@playwright/test'

/** The canvas on which the desktop lives; beside it lies another one, which shows the last picture while it is away. */
export function screenOf(page: Page): Locator {
  return page.getByRole('application', { name: /^Screen of / }).locator('canvas')
}

/** What desktops send to the page, from the next connection on; it can be held back and let through again. */
export async function answersOfDesktop(page: Page): Promise<{ hold(): void; release(): void }> {
  let held: (() => void)[] | undefined
  await page.routeWebSocket(/\/api\/v1\/sessions\/[^/]+\/vnc/, (socket) => {
    socket.connectToServer().onMessage((message) => {
      if (held) held.push(() => socket.send(message))
      else socket.send(message)
    })
  })
  return {
    hold() {
      held = []
    },
    release() {
      const waiting = held ?? []
      held = undefined
      for (const send of waiting) send()
    },
  }
}

/** Resolves when the page of this connection to a desktop has said that there is a new text on its clipboard. */
export async function textOffered(connection: WebSocket): Promise<void> {
  // ClientCutText of the extended clipboard; the byte of its action says "notify".
  await connection.waitForEvent('framesent', {
    predicate: ({ payload }) => typeof payload !== 'string' && payload[0] === 6 && payload[8] === 0x08,
  })
}
