// A Linux desktop in the page: real keys, the size of the window, text copied both ways, sleep and waking.

import type { Locator, Page } from '@playwright/test'
import { pressKeys } from '../support/keys.ts'
import { picture } from '../support/pictures.ts'
import { expect, type Person, test } from '../support/stories.ts'
import { answersOfDesktop, desktopIn, IN_TERMINAL, textOffered } from '../support/screen.ts'
import { Terminal } from '../support/terminal.ts'

/** What is copied: letters of a German keyboard, and spaces. */
const COPIED = 'ä € @'

/** Opens a running desktop and puts the keyboard into its terminal window. */
async function openDesktop(page: Page, name: string): Promise<Locator> {
  await page.goto(new URL(`/sessions/${name}`, page.url()).href)
  const screen = await desktopIn(page)
  await screen.click({ position: IN_TERMINAL })
  return screen
}

/**
 * Types a command that keeps the next `text` of the keyboard in `file`, without anybody pressing Enter after it: a
 * program of X takes a paste a moment after the key that asks for it, and other keys may come in between.
 */
async function keepNext(page: Page, text: string, file: string): Promise<void> {
  await page.keyboard.type(`stty -icanon; head -c ${Buffer.byteLength(text)} > ${file}; stty icanon`)
  await page.keyboard.press('Enter')
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
    await screen.click({ position: IN_TERMINAL })
    await person.page.keyboard.type(`xwininfo -root | grep -o geometry.* > ~/size-${width}`)
    await person.page.keyboard.press('Enter')
    await terminal.holds(`~/size-${width}`, `geometry ${(await pixels()).join('x')}+0+0`)
  }
})

test('a text that is sent is in the desktop before the keys that follow, and one that is copied there comes out', async ({
  person,
}) => {
  const { page } = person
  const answers = await answersOfDesktop(page)
  const { metadata } = await person.api.running('desktop')
  const screen = await openDesktop(page, metadata.name)
  const terminal = await terminalBeside(person)
  await page.bringToFront()
  await keepNext(page, COPIED, '~/pasted')
  // From here on nothing can be asked of the page, so what arrives was sent along.
  await answers.hold()
  await page.getByRole('button', { name: 'Clipboard' }).click()
  await page.getByRole('textbox', { name: 'Text for the session' }).fill(COPIED)
  await page.getByRole('button', { name: 'Send to the session' }).click()
  await page.keyboard.press('Escape')
  await screen.click({ position: IN_TERMINAL })
  await page.keyboard.press('Shift+Insert')
  await terminal.holds('~/pasted', COPIED)
  await answers.release()

  await terminal.enter(`printf '${COPIED} back' > ~/copied`)
  await page.bringToFront()
  await screen.click({ position: IN_TERMINAL })
  await page.keyboard.type('xclip -selection clipboard ~/copied')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Clipboard' }).click()
  await expect(page.getByRole('textbox', { name: 'Copied in the session' })).toHaveValue(`${COPIED} back`)
})

test('with the browser’s leave both clipboards are one', async ({ person }) => {
  const { page } = person
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  const { metadata } = await person.api.running('desktop')
  const connecting = page.waitForEvent('websocket', (socket) => socket.url().includes('/vnc'))
  const screen = await openDesktop(page, metadata.name)
  const connection = await connecting
  const terminal = await terminalBeside(person)
  await terminal.enter(`printf '${COPIED} back' > ~/copied`)
  await page.bringToFront()
  await keepNext(page, COPIED, '~/pasted')
  await page.evaluate((text) => navigator.clipboard.writeText(text), COPIED)
  await page.getByRole('banner').hover()
  const offered = textOffered(connection)
  await screen.click({ position: IN_TERMINAL })
  await offered
  await page.keyboard.press('Shift+Insert')
  await terminal.holds('~/pasted', COPIED)

  await page.bringToFront()
  await screen.click({ position: IN_TERMINAL })
  await page.keyboard.type('xclip -selection clipboard ~/copied')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(`${COPIED} back`)
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
