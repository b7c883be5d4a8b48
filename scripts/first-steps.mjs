// The first minutes of a person, over the API: redeem the sign-in link, launch a terminal, wait until it can be worked
// in, look at its page, delete it. Prints each step; fails with the answer that was not as promised.
//
//   node scripts/first-steps.mjs 'http://localhost:8000/sign-in#link=…'

import http from 'node:http'

const link = new URL(process.argv[2] ?? '')
const token = new URLSearchParams(link.hash.slice(1)).get('link')
const RUNNING_WITHIN_MS = 60_000
let cookie = ''

// Node's fetch cannot set Host, and glibc does not resolve *.localhost: everything is dialled at the link's own port.
function request(method, url, { body, headers = {} } = {}) {
  const target = new URL(url, link.origin)
  return new Promise((resolve, reject) => {
    const outgoing = http.request(
      {
        host: '127.0.0.1',
        port: link.port,
        method,
        path: target.pathname + target.search,
        headers: { host: target.host, origin: target.origin, cookie, ...(body && { 'content-type': 'application/json' }), ...headers },
        timeout: 10_000,
      },
      (answer) => {
        const chunks = []
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(chunks).toString() }))
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${target.pathname}: no answer in 10 s`)))
    outgoing.on('error', reject)
    outgoing.end(body && JSON.stringify(body))
  })
}

async function expect(status, method, url, options) {
  const answer = await request(method, url, options)
  if (answer.status !== status) throw new Error(`${method} ${url}: ${answer.status} instead of ${status}\n${answer.text}`)
  return { ...answer, json: () => JSON.parse(answer.text) }
}

const said = (text) => console.log(`first steps: ${text}`)

const signedIn = await expect(200, 'POST', '/api/v1/auth/link', { body: { token } })
cookie = signedIn.headers['set-cookie'].map((line) => line.split(';')[0]).join('; ')
said(`signed in as ${signedIn.json().user.name}`)

const created = (await expect(201, 'POST', '/api/v1/sessions', { body: { template: 'terminal' } })).json()
const path = `/api/v1/sessions/${created.metadata.name}`
const begun = Date.now()
let session = created
while (session.status?.phase !== 'Running') {
  if (session.status?.phase === 'Failed' || Date.now() - begun > RUNNING_WITHIN_MS) {
    throw new Error(`${created.metadata.name} does not run: ${JSON.stringify(session.status, null, 2)}`)
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  session = (await expect(200, 'GET', path)).json()
}
said(`${created.metadata.name} runs after ${Date.now() - begun} ms`)

const { url } = (await expect(200, 'POST', `${path}/connect`)).json()
const entered = await request('GET', url, { headers: { cookie: '', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } })
if (![302, 303].includes(entered.status)) throw new Error(`GET ${url}: ${entered.status} instead of a redirect\n${entered.text}`)
const appCookie = entered.headers['set-cookie'].map((line) => line.split(';')[0]).join('; ')
const app = new URL(entered.headers.location, url)
const page = await expect(200, 'GET', app.href, { headers: { cookie: appCookie, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } })
said(`its page answers with ${page.text.length} characters at ${app.origin}`)

await expect(202, 'DELETE', path)
while ((await request('GET', path)).status !== 404) {
  if (Date.now() - begun > 2 * RUNNING_WITHIN_MS) throw new Error(`${created.metadata.name} is still there after its deletion`)
  await new Promise((resolve) => setTimeout(resolve, 100))
}
said('deleted it; nothing is left')
