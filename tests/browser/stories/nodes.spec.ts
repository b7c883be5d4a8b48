// The machine that sessions run on, as those see it who run the place: how it stands, kept away by a cordon, and emptied by
// a drain while somebody works on it. Figures, sessions and the drain are real.

import type { Page } from '@playwright/test'
import { readable } from '../support/axe.ts'
import { expect, type Person, test } from '../support/stories.ts'

test.use({ roles: ['operator'] })

interface Node {
  name: string
  schedulable: boolean
  capacity: { cpu: string; memory: string }
}

async function theNode(person: Person): Promise<Node> {
  const { items } = await person.api.get<{ items: Node[] }>('/api/admin/nodes')
  return items[0] as Node
}

async function goTo(page: Page, path: string): Promise<void> {
  await page.goto(new URL(path, page.url()).href)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
}

// The file's stories share a server, and with it the machine.
test.afterEach(async ({ person }) => {
  const { name } = await theNode(person)
  await person.api.post(`/api/admin/nodes/${name}/uncordon`)
})

test('the host is the only node, with real figures, in every light', async ({ person }) => {
  const { page } = person
  const { name, capacity } = await theNode(person)
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Nodes' }).click()
  const row = page.getByRole('row', { name: new RegExp(name) })
  await expect(row.getByText('Ready').last()).toBeVisible()
  await expect(row.getByRole('meter', { name: 'CPU' }).last()).toHaveAttribute('aria-valuetext', new RegExp(`of ${capacity.cpu}$`))
  await readable(page)

  await row.getByRole('link', { name }).click()
  await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible()
  await expect(page.getByRole('meter', { name: 'Memory' })).toHaveAttribute('aria-valuetext', /used, .* asked for of/)
  await expect(page.getByRole('table', { name: 'Conditions' }).getByRole('row', { name: /MemoryPressure/ })).toBeVisible()
  await expect(page.getByRole('table', { name: 'Labels' }).getByRole('row', { name: /kubernetes\.io\/os/ })).toContainText('linux')
  await readable(page)
})

test('labels are set and removed, and those of Kubernetes are left alone', async ({ person }) => {
  const { page } = person
  const { name } = await theNode(person)
  await goTo(page, `/admin/nodes/${name}`)
  await page.getByRole('button', { name: 'Set a label' }).click()
  const dialog = page.getByRole('dialog', { name: 'Set a label' })
  await dialog.getByLabel('Key').fill('kubernetes.io/os')
  await dialog.getByRole('button', { name: 'Set' }).click()
  await expect(dialog.getByRole('alert')).toContainText('belongs to Kubernetes')
  await dialog.getByLabel('Key').fill('example.org/team')
  await dialog.getByLabel('Value').fill('blue')
  await dialog.getByRole('button', { name: 'Set' }).click()
  const labels = page.getByRole('table', { name: 'Labels' })
  await expect(labels.getByRole('row', { name: /example\.org\/team/ })).toContainText('blue')
  await expect(labels.getByRole('button')).toHaveCount(1)
  await labels.getByRole('button', { name: 'Remove example.org/team' }).click()
  await expect(labels.getByRole('row', { name: /example\.org\/team/ })).toHaveCount(0)
})

test('a cordon keeps new sessions away, and every page says so at once', async ({ person }) => {
  const { page } = person
  const { name } = await theNode(person)
  const list = await person.window()
  await goTo(list, '/admin/nodes')
  await goTo(page, `/admin/nodes/${name}`)
  await page.getByRole('button', { name: 'Cordon' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cordon' }).click()
  await expect(page.getByRole('button', { name: 'Uncordon' })).toBeVisible()
  await expect(list.getByRole('row', { name: new RegExp(name) }).getByText('Cordoned').last()).toBeVisible()
  await expect(page.getByRole('table', { name: 'What happened lately' })).toContainText('NodeNotSchedulable')

  await test.step('whoever starts one is told', async () => {
    const launch = await person.window()
    await goTo(launch, '/templates/terminal')
    await launch.getByRole('button', { name: 'Start', exact: true }).click()
    await expect(launch.getByRole('alert').filter({ hasText: 'cordoned' })).toBeVisible()
  })

  await page.getByRole('button', { name: 'Uncordon' }).click()
  await expect(list.getByRole('row', { name: new RegExp(name) }).getByText('Ready').last()).toBeVisible()
})

test('a drain shows its plan, warns who works there, and shows how far it is', async ({ person }) => {
  const { page } = person
  const { name } = await theNode(person)
  const idle = await person.api.running('terminal', { displayName: 'Left behind' })
  const busy = await person.api.running('terminal', { displayName: 'In the middle of it' })
  const work = await person.window()
  await goTo(work, `/sessions/${busy.metadata.name}`)
  await expect.poll(async () => (await person.api.activity(busy.metadata.name))?.connections ?? 0).toBeGreaterThan(0)

  await goTo(page, `/admin/nodes/${name}`)
  await expect(page.getByRole('table', { name: 'Sessions here' }).getByRole('row')).toHaveCount(3)
  await page.getByRole('button', { name: 'Drain' }).click()
  const dialog = page.getByRole('dialog', { name: `Empty ${name}` })
  await test.step('the plan follows the choices', async () => {
    const plan = dialog.getByRole('table', { name: 'What would happen now' })
    await expect(plan.getByRole('row', { name: /Left behind/ })).toContainText('Is put to sleep')
    await expect(plan.getByRole('row', { name: /In the middle of it/ })).toContainText('Is warned')
    await readable(page)
    await dialog.getByLabel('What becomes of the sessions').click()
    await page.getByRole('option', { name: 'They are started on another node' }).click()
    await expect(dialog.getByRole('region', { name: 'That is not possible' })).toContainText('the only one')
    await expect(dialog.getByRole('button', { name: 'Empty it' })).toBeDisabled()
    await dialog.getByLabel('What becomes of the sessions').click()
    await page.getByRole('option', { name: 'They are put to sleep' }).click()
  })
  await dialog.getByRole('button', { name: 'Empty it' }).click()

  const drain = page.getByRole('region', { name: 'Latest drain' })
  await expect(drain.getByRole('row', { name: /Left behind/ })).toContainText('Sleeps')
  await expect(drain.getByRole('row', { name: /In the middle of it/ })).toContainText('Is warned')
  await person.api.reaches(idle.metadata.name, 'Hibernated')
  await readable(page)

  await test.step('whoever works there need not wait', async () => {
    await expect(work.getByText(/The machine is being emptied: sleeps in/)).toBeVisible()
    await work.getByRole('button', { name: 'Hibernate now' }).click()
    await person.api.reaches(busy.metadata.name, 'Hibernated')
  })
  await expect(drain.getByRole('status')).toContainText('Done')
  await expect(page.getByText('No session runs here.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Uncordon' })).toBeVisible()
})
