// Everything a person does with sessions, with the keyboard alone: any use of a mouse fails the story.

import { choose, focusIsSeen, press, reach, withoutMouse } from '../support/keyboard.ts'
import { screenOf } from '../support/screen.ts'
import { expect, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

let mouseAgain = () => {}
test.beforeEach(async ({ person: { page } }) => {
  mouseAgain = await withoutMouse(page)
})
test.afterEach(() => mouseAgain())

test('find a template, launch it, type in it, leave its window, stop it and wake it', async ({ person: { page, api } }) => {
  await test.step('⌘K finds the template; Start is a few keys away', async () => {
    await page.keyboard.press('ControlOrMeta+k')
    await page.keyboard.type('Launch Terminal')
    await page.keyboard.press('Enter')
    await press(page, page.getByRole('button', { name: 'Start' }))
    await page.waitForURL(/\/sessions\/[a-z0-9-]+$/)
  })

  await test.step('the terminal takes every key, and three of them lead out', async () => {
    const terminal = await Terminal.in(page)
    await terminal.run('echo "<$((40 + 2))>"', '<42>')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Control+Alt+Shift')
    await expect(page.getByRole('banner')).toBeFocused()
  })

  await test.step('details open and close, panel by panel', async () => {
    await press(page, page.getByRole('button', { name: 'Details' }))
    await reach(page, page.getByRole('tab', { name: 'Health' }))
    for (const panel of ['Timeline', 'Log', 'Usage', 'People']) {
      await page.keyboard.press('ArrowRight')
      await expect(page.getByRole('tab', { name: panel })).toHaveAttribute('aria-selected', 'true')
      await expect(page.getByRole('tabpanel')).toBeVisible()
    }
    await press(page, page.getByRole('button', { name: 'Hide details' }).last())
    await expect(page.getByRole('tabpanel')).toHaveCount(0)
    await expect(page.getByRole('button', { name: 'Details' })).toBeFocused()
  })

  const [session] = await api.sessions()
  const name = session?.metadata.name ?? ''

  await test.step('renamed by the menu', async () => {
    await reach(page, page.getByRole('button', { name: 'More actions' }), 'Shift+Tab')
    await page.keyboard.press('Enter')
    await choose(page, 'Rename')
    await expect(page.getByRole('dialog').getByRole('textbox')).toBeFocused()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('By hand')
    await page.keyboard.press('Enter')
    await expect(page.getByRole('heading', { level: 1, name: 'By hand' })).toBeVisible()
  })

  await test.step('stopped and woken', async () => {
    await press(page, page.getByRole('button', { name: 'Stop and keep files' }).first())
    await api.reaches(name, 'Hibernated')
    await press(page, page.getByRole('main').getByRole('button', { name: 'Wake' }))
    await api.reaches(name, 'Running')
    await Terminal.in(page, 'By hand')
  })

  await test.step('deleted, and home again', async () => {
    await page.keyboard.press('Control+Alt+Shift')
    await press(page, page.getByRole('button', { name: 'More actions' }))
    await choose(page, 'Delete…')
    await press(page, page.getByRole('dialog').getByRole('button', { name: 'Delete' }))
    await expect.poll(async () => (await api.sessions()).length).toBe(0)
    await expect(page.getByRole('heading', { name: 'Home', level: 1 })).toBeVisible()
  })
})

test('a desktop takes every key, and three of them lead out', async ({ person: { page, api } }) => {
  const { metadata } = await api.running('desktop')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  await expect(screenOf(page)).toBeFocused()
  await page.keyboard.press('Tab')
  await expect(screenOf(page)).toBeFocused()
  await page.keyboard.press('Control+Alt+Shift')
  await expect(page.getByRole('banner')).toBeFocused()
  await press(page, page.getByRole('button', { name: 'Keys' }))
  await choose(page, 'Ctrl + Alt + Del')
  await expect(screenOf(page)).toBeFocused()
})

test('filter, sort, select and delete many sessions', async ({ person: { page, api } }) => {
  for (const displayName of ['One', 'Two', 'Three']) await api.launch('terminal', { displayName })
  await page.keyboard.press('ControlOrMeta+k')
  await page.keyboard.type('Sessions')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('row')).toHaveCount(4)

  await reach(page, page.getByRole('searchbox', { name: 'Search sessions' }))
  await page.keyboard.type('t')
  await expect(page).toHaveURL(/search=t/)
  await press(page, page.getByRole('button', { name: 'Name' }))
  await expect(page).toHaveURL(/sort=name/)
  await reach(page, page.getByRole('searchbox', { name: 'Search sessions' }), 'Shift+Tab')
  await page.keyboard.press('Backspace')
  await expect(page.getByRole('row')).toHaveCount(4)

  await press(page, page.getByRole('checkbox', { name: 'Select Two' }), 'Space')
  await press(page, page.getByRole('checkbox', { name: 'Select Three' }), 'Space')
  await expect(page.getByText('2 selected')).toBeVisible()
  await reach(page, page.getByRole('button', { name: 'Delete…' }), 'Shift+Tab')
  await page.keyboard.press('Enter')
  await press(page, page.getByRole('dialog').getByRole('button', { name: 'Delete 2' }))
  await expect.poll(async () => (await api.sessions()).map(({ spec }) => spec.displayName)).toEqual(['One'])
})

test('where the focus is can always be seen', async ({ person: { page, api } }) => {
  await api.running('terminal')
  for (const [path, heading] of [['/', 'Home'], ['/templates', 'Templates'], ['/templates/terminal', 'Terminal'], ['/sessions', 'Sessions'], ['/profile', 'Profile']] as const) {
    await page.goto(new URL(path, page.url()).href)
    await expect(page.getByRole('heading', { name: heading, level: 1 })).toBeVisible()
    for (let stop = 0; stop < 25; stop += 1) {
      await page.keyboard.press('Tab')
      const where = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200))
      if (where?.startsWith('<body')) break
      expect.soft(await focusIsSeen(page), `${path}: ${where}`).toBe(true)
    }
  }
})
