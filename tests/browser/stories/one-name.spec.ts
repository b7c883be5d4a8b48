// All apps below one name, for sites that have no wildcard name: opened, and worked in.

import { Notebook } from '../support/jupyter.ts'
import { expect, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

test.use({ serverOptions: { settings: { APPS_ROUTING: 'host', APPS_DOMAIN: 'apps.localhost' } } })

test('a terminal below one name is typed into, and the page says what that means', async ({ person }) => {
  const { page } = person
  const { metadata } = await person.api.running('terminal')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const terminal = await Terminal.in(page)
  await terminal.run('echo "[ä€@]" | tr "[]" "<>"', '<ä€@>')
  const frame = page.frames().find((one) => new URL(one.url()).hostname === 'apps.localhost')
  expect(new URL(frame?.url() ?? '').pathname).toBe(`/s/${metadata.name}/`)
  await page.goto(new URL(`/sessions/${metadata.name}?panel=health`, page.url()).href)
  await expect(page.getByText('share one origin')).toBeVisible()
})

test('a cell is run in JupyterLab below one name', async ({ person }) => {
  test.setTimeout(180_000)
  const { page } = person
  const { metadata } = await person.api.running('jupyterlab')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const notebook = await Notebook.open(page)
  await notebook.run('print("ä € @", 6 * 7)')
  await expect(notebook.output).toHaveText('ä € @ 42')
})
