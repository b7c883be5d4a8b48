// The screen of a desktop, as the page draws it.

import { expect, type Locator, type Page, type WebSocket } from '@playwright/test'

/** The canvas on which the desktop lives; beside it lies another one, which shows the last picture while it is away. */
export function screenOf(page: Page): Locator {
  return page.getByRole('application', { name: /^Screen of / }).locator('canvas')
}

/** A point inside the first terminal window of the template `desktop`, away from its text. */
export const IN_TERMINAL = { x: 400, y: 400 }
/** The ground of that window, as the template asks for it, away from the pointer: a desktop that one comes back to draws it. */
const TERMINAL_GROUND = '20,24,29'
const GROUND = { x: 460, y: 440 }

/** What is drawn at a point of the desktop, as `red,green,blue`. */
export function colourAt(screen: Locator, point: { x: number; y: number }): Promise<string | undefined> {
  return screen.evaluate(
    (canvas: HTMLCanvasElement, { x, y }) => canvas.getContext('2d')?.getImageData(x, y, 1, 1).data.slice(0, 3).join(),
    point,
  )
}

/** The screen of the template `desktop` once it is drawn and takes keys and clicks. */
export async function desktopIn(page: Page): Promise<Locator> {
  const screen = screenOf(page)
  await expect(page.getByRole('img', { name: /Connected, an answer takes/ })).toBeVisible()
  await expect.poll(() => colourAt(screen, GROUND)).toBe(TERMINAL_GROUND)
  return screen
}

interface Holding {
  /** What waits while answers are held back. */
  heldAnswers: (() => void)[] | undefined
}

/** What desktops send to `page` can be held back and let through again, once the page is loaded anew. */
export async function answersOfDesktop(page: Page): Promise<{ hold(): Promise<void>; release(): Promise<void> }> {
  await page.addInitScript(() => {
    const holding = window as unknown as Holding
    holding.heldAnswers = undefined
    // Playwright's own way of standing between is not fit for a viewer that uses its buffers again.
    window.WebSocket = new Proxy(WebSocket, {
      construct(original, [url, protocols]: [string | URL, string[]?]) {
        const socket = new original(url, protocols)
        // The first to listen, so that nobody else hears what is stopped here.
        if (String(url).includes('/vnc')) socket.addEventListener('message', hold)
        return socket
      },
    })
    function hold(event: MessageEvent) {
      if (!holding.heldAnswers) return
      event.stopImmediatePropagation()
      holding.heldAnswers.push(() => event.target?.dispatchEvent(new MessageEvent('message', { data: event.data as unknown })))
    }
  })
  return {
    hold: () =>
      page.evaluate(() => {
        ;(window as unknown as Holding).heldAnswers = []
      }),
    release: () =>
      page.evaluate(() => {
        const holding = window as unknown as Holding
        const waiting = holding.heldAnswers ?? []
        holding.heldAnswers = undefined
        for (const answer of waiting) answer()
      }),
  }
}

/** Resolves when the page of this connection to a desktop has said that there is a new text on its clipboard. */
export async function textOffered(connection: WebSocket): Promise<void> {
  // ClientCutText of the extended clipboard; the byte of its action says "notify".
  await connection.waitForEvent('framesent', {
    predicate: ({ payload }) => typeof payload !== 'string' && payload[0] === 6 && payload[8] === 0x08,
  })
}
