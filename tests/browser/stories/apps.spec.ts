// The shipped apps that have a story of no other file: opened, and worked in.

import type { Locator } from '@playwright/test'
import { Notebook } from '../support/jupyter.ts'
import { picture } from '../support/pictures.ts'
import { expect, test } from '../support/stories.ts'
import { colourAt, screenOf } from '../support/screen.ts'

test('a cell is run in JupyterLab, and its notebook is there after sleep', async ({ person }) => {
  test.setTimeout(240_000)
  const { metadata } = await person.api.running('jupyterlab')
  const { page } = person
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const notebook = await Notebook.open(page)
  await notebook.run('print("ä € @", 6 * 7)')
  await expect(notebook.output).toHaveText('ä € @ 42')
  await notebook.run('open("kept.txt", "w").write("still here")')
  await expect(notebook.questions).toHaveCount(0)
  await notebook.save()
  await picture(page, 'jupyterlab')

  await page.getByRole('button', { name: 'Stop and keep files' }).click()
  await person.api.reaches(metadata.name, 'Hibernated')
  await page.getByRole('main').getByRole('button', { name: 'Wake' }).click()
  await person.api.reaches(metadata.name, 'Running')
  const again = await Notebook.again(page)
  await again.run('print(open("kept.txt").read())')
  await expect(again.output).toHaveText('still here')
})

test('a page is opened in the browser inside, and answers to keys', async ({ person }) => {
  const { metadata } = await person.api.running('browser')
  const { page } = person
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const screen = screenOf(page)
  await expect(page.getByRole('img', { name: /Connected, an answer takes/ })).toBeVisible()
  await shows(screen, '255,255,255')
  // A browser that has just opened its window may still miss the first keys: then they are typed again.
  await expect(async () => {
    await screen.click({ position: MIDDLE })
    await page.keyboard.press('Control+l')
    await page.keyboard.type("data:text/html,<body bgcolor=blue onkeydown=document.body.bgColor='lime'>")
    await page.keyboard.press('Enter')
    await expect.poll(() => colourAt(screen, MIDDLE), { timeout: 5_000 }).toBe('0,0,255')
  }).toPass({ timeout: 40_000 })
  await screen.click({ position: MIDDLE })
  await page.keyboard.press('a')
  await shows(screen, '0,255,0')
})

/** A point in the middle of the page that is shown inside. */
const MIDDLE = { x: 640, y: 450 }

async function shows(screen: Locator, colour: string): Promise<void> {
  await expect.poll(() => colourAt(screen, MIDDLE), { timeout: 40_000 }).toBe(colour)
}
