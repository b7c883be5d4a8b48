// A Linux desktop in the page: real keys, the size of the window, text copied both ways, sleep and waking.

import type { Locator, Page } from '@playwright/test'
import { pressKeys } from '../support/keys.ts'
import { picture } from '../support/pictures.ts'
import { expect, type Person, test } from '../support/stories.ts'
import { screenOf } from '../support/screen.ts'
import { Terminal } from '../support/terminal.ts'

/** Opens a running desktop and puts the keyboard into its terminal window. */
async function openDesktop(page: Page, name: string): Promise<Locator> {
  await page.goto(new URL(`/sessions/${name}`, page.url()).href)
  const screen = screenOf(page)
  await expect(page.getByRole('img', { name: /Connected, an answer takes/ })).toBeVisible()
  // The window of the terminal, in its colour, where the click will go.
  await expect.poll(() => colourAt(screen, 200, 200)).toBe('255,255,255')
  await screen.click({ position: { x: 200, y: 200 } })
  return screen
}

/** What is drawn at a point of the desktop, as `red,green,blue`. */
function colourAt(screen: Locator, x: number, y: number): Promise<string | undefined> {
  return screen.evaluate(
    (canvas: HTMLCanvasElement, at) => canvas.getContext('2d')?.getImageData(at.x, at.y, 1, 1).data.slice(0, 3).join(),
    { x, y },
  )
}

/** A terminal of the same person beside the desktop: both see the same home. */
async function terminalBeside(person: Person): Promise<Terminal> {
  const { metadata } = await person.api.running('terminal')
  const page = await person.window()
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  return Terminal.in(page)
}

test('keys of any layout reach the desktop, and its files the terminal beside it', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  await openDesktop(person.page, metadata.name)
  await pressKeys(person.page, 'echo ä€@ > ~/typed')
  await person.page.keyboard.press('Enter')
  await picture(person.page, 'desktop')
  const terminal = await terminalBeside(person)
  await terminal.holds('~/typed', 'ä€@')
})

test('the desktop takes the size of the window', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  const screen = await openDesktop(person.page, metadata.name)
  const terminal = await terminalBeside(person)
  for (const [width, height] of [
    [1100, 700],
    [900, 600],
  ] as const) {
    await person.page.setViewportSize({ width, height })
    const pixels = () => screen.evaluate((canvas: HTMLCanvasElement) => [canvas.width, canvas.height] as const)
    await expect.poll(async () => (await pixels())[0]).toBe(width)
    await screen.click({ position: { x: 200, y: 200 } })
    await person.page.keyboard.type(`xwininfo -root | grep -o geometry.* > ~/size-${width}`)
    await person.page.keyboard.press('Enter')
    await terminal.holds(`~/size-${width}`, `geometry ${(await pixels()).join('x')}+0+0`)
  }
})

test('text is copied into the desktop and out of it', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  const screen = await openDesktop(person.page, metadata.name)
  const { page } = person
  await page.getByRole('button', { name: 'Clipboard' }).click()
  await page.getByRole('textbox', { name: 'Text for the session' }).fill('echo grüße > ~/pasted')
  await page.getByRole('button', { name: 'Send to the session' }).click()
  await page.keyboard.press('Escape')
  await screen.click({ position: { x: 200, y: 200 } })
  await page.keyboard.press('Shift+Insert')
  await page.keyboard.press('Enter')
  const terminal = await terminalBeside(person)
  await terminal.holds('~/pasted', 'grüße')

  await page.bringToFront()
  await screen.click({ position: { x: 200, y: 200 } })
  await page.keyboard.type('printf over | xclip -selection clipboard')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Clipboard' }).click()
  await expect(page.getByRole('textbox', { name: 'Copied in the session' })).toHaveValue('over')
})

test('it sleeps and wakes with its files, and is deleted from the page', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  const { page } = person
  await openDesktop(page, metadata.name)
  await page.keyboard.type('echo kept > ~/before-sleep')
  await page.keyboard.press('Enter')

  await page.getByRole('button', { name: 'Stop and keep files' }).click()
  await person.api.reaches(metadata.name, 'Hibernated')
  await expect(page.getByText('Your files are kept')).toBeVisible()
  await picture(page, 'asleep')

  await page.getByRole('main').getByRole('button', { name: 'Wake' }).click()
  await person.api.reaches(metadata.name, 'Running')
  await openDesktop(page, metadata.name)
  await page.keyboard.type('cp ~/before-sleep ~/after-sleep')
  await page.keyboard.press('Enter')
  const terminal = await terminalBeside(person)
  await terminal.holds('~/after-sleep', 'kept')

  await page.bringToFront()
  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Delete…' }).click()
  const dialog = page.getByRole('dialog', { name: /^Delete/ })
  await expect(dialog).toContainText('Files in your home folder stay')
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect.poll(() => person.api.statusOf(`/api/v1/sessions/${metadata.name}`)).toBe(404)
})
