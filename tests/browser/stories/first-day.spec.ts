// The first minutes on a fresh machine: the link, the gallery, a terminal, and a server that is stopped meanwhile.

import { expect, test } from '@playwright/test'
import { Api } from '../support/api.ts'
import { picture } from '../support/pictures.ts'
import { Server } from '../support/server.ts'
import { newLink, signIn } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

test('from the printed link to a terminal that outlives the server', async ({ page, browser }) => {
  const server = await Server.start()
  let admin: Api | undefined
  try {
    const link = server.link
    expect(link, server.output.join('\n')).toBeDefined()
    if (link === undefined) return

    await test.step('the link makes its holder the first administrator, once', async () => {
      await signIn(page, link)
      await expect(page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'People' })).toBeVisible()
      const late = await (await browser.newContext()).newPage()
      await late.goto(link)
      await expect(late.getByRole('alert')).toContainText('does not work any more')
      await late.context().close()
    })

    admin = await Api.byLink(await newLink(page))

    await test.step('the gallery shows what runs on this machine', async () => {
      await page.goto(`${server.origin}/templates`)
      for (const name of ['Terminal', 'Linux desktop']) {
        await expect(page.getByRole('article', { name }).getByRole('link', { name: `Launch ${name}` })).toBeVisible()
      }
      await picture(page, 'gallery')
    })

    const terminal = await test.step('three clicks to a terminal', async () => {
      await page.getByRole('link', { name: 'Launch Terminal' }).click()
      await picture(page, 'launch')
      await page.getByRole('button', { name: 'Start' }).click()
      await page.waitForURL(/\/sessions\/[a-z0-9-]+/)
      return Terminal.in(page)
    })

    await test.step('what is typed arrives, whatever the letters', async () => {
      await terminal.run('echo "[ä€@]" | tr "[]" "<>"', '<ä€@>')
      await terminal.enter('export KEPT=before; echo file > ~/seen')
      await picture(page, 'terminal')
    })

    await test.step('the server is killed and started: the shell is the same, and the page comes back by itself', async () => {
      await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
      await server.end('SIGKILL')
      await expect(page.getByText(/Connection lost/).first()).toBeVisible()
      await server.run()
      await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
      const again = await Terminal.in(page)
      await again.run('echo "<$KEPT>"', '<before>')
      expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
    })

    await test.step('an orderly stop leaves it running too', async () => {
      await server.end('SIGTERM')
      await expect(page.getByText(/Connection lost/).first()).toBeVisible()
      await server.run()
      await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
      const again = await Terminal.in(page)
      await again.run('echo "<$KEPT again>"', '<before again>')
    })

    await test.step('deleted, it is gone from the list', async () => {
      await page.getByRole('button', { name: 'More actions' }).click()
      await page.getByRole('menuitem', { name: 'Delete…' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
      await expect.poll(async () => (await admin?.sessions())?.length).toBe(0)
    })
  } finally {
    await admin?.deleteSessions()
    await admin?.close()
    await server.remove()
  }
})
