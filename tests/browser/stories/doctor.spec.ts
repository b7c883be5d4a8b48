// A session that does not start says why in plain words, and what to do, where the person is looking.

import { picture } from '../support/pictures.ts'
import { expect, test } from '../support/stories.ts'

/** A template that is a web app made of one shell command. */
function command(name: string, script: string, more: object = {}) {
  return {
    apiVersion: 'stream.streamspace.io/v1alpha1',
    kind: 'Template',
    metadata: { name },
    spec: {
      displayName: name,
      description: 'Made by a test.',
      category: 'Tests',
      baseImage: 'scratch',
      webapp: { enabled: true, port: 8080, path: '/' },
      ports: [{ name: 'http', containerPort: 8080 }],
      defaultResources: { cpu: '200m', memory: '128Mi' },
      local: { command: ['/bin/sh', '-c', script], ...more },
    },
  }
}

const CASES = [
  { reason: 'ExitedAtOnce', template: command('ends-at-once', 'echo "no display" >&2; exit 3'), says: /ended|exit/i },
  { reason: 'PortNeverOpened', template: command('never-answers', 'exec sleep 1000'), says: /answer|port/i },
  {
    reason: 'OutOfMemory',
    template: command('eats-memory', "exec /usr/bin/python3 -c 'x=[bytearray(1<<24) for _ in range(1000)]'"),
    says: /memory/i,
  },
]

for (const { reason, template, says } of CASES) {
  test(`${reason} is named on the page, with its remedy`, async ({ person, admin }) => {
    test.setTimeout(300_000)
    await admin.post('/api/v1/templates', template)
    const { metadata } = await person.api.launch(template.metadata.name)
    await person.page.goto(new URL(`/sessions/${metadata.name}`, person.page.url()).href)
    const { status } = await person.api.reaches(metadata.name, 'Failed', 200_000)
    expect(status?.doctor?.reason).toBe(reason)
    const page = person.page.getByRole('main')
    await expect(page).toContainText(says)
    await expect(page).toContainText(status?.doctor?.message ?? 'no message')
    await expect(page).toContainText(status?.doctor?.remedy ?? 'no remedy')
    if (reason === 'ExitedAtOnce') await picture(person.page, 'doctor')
  })
}

test('a template whose program is missing cannot be launched, and says which package brings it', async ({ person, admin }) => {
  const requires = [{ program: 'no-such-program', install: 'apt-get install no-such-package' }]
  await admin.post('/api/v1/templates', command('missing-program', 'true', { requires }))
  await person.page.getByRole('link', { name: 'Templates' }).first().click()
  const card = person.page.getByRole('article', { name: 'missing-program' })
  await expect(card).toContainText('Does not run on this machine yet')
  await expect(card).toContainText('apt-get install no-such-package')
  await expect(card.getByRole('link', { name: /^Launch/ })).toHaveCount(0)
})
