// One visit of the page in a new Chromium, as bench/page/run asks for it; prints one line of JSON.
//
//   ORIGIN   where the server is        COOKIE   the sign-in of its administrator

import { createRequire } from 'node:module'
import { join } from 'node:path'

const { chromium } = createRequire(join(process.cwd(), 'package.json'))('@playwright/test')
const { ORIGIN, COOKIE, CHROMIUM = '/usr/bin/chromium' } = process.env
const CHANGES = 20

const browser = await chromium.launch({ executablePath: CHROMIUM, chromiumSandbox: process.getuid() !== 0 })
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
await context.addCookies([{ name: 'streamspace_session', value: COOKIE, url: ORIGIN }])
const page = await context.newPage()
const devtools = await context.newCDPSession(page)

const first = await firstLoad()
const changes = await changesDrawn()
const scrolled = await scroll()
console.log(JSON.stringify({ ...first, ...changes, ...scrolled }))
await browser.close()

/** Everything that comes through the network until the home page shows its sessions and templates, and all is quiet. */
async function firstLoad() {
  let bytes = 0
  let frames = 0
  await devtools.send('Network.enable')
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength))
  devtools.on('Network.webSocketFrameReceived', ({ response }) => (frames += response.payloadData.length))
  await page.addInitScript(() => {
    const ready = () => document.querySelector('article') && document.querySelector('a[href^="/templates/"]')
    const observer = new MutationObserver(() => {
      if (!ready()) return
      observer.disconnect()
      // Drawn, and the main thread free to take a click.
      requestAnimationFrame(() => setTimeout(() => (window.interactive = performance.now())))
    })
    observer.observe(document, { childList: true, subtree: true })
  })
  await page.goto(ORIGIN)
  await page.waitForFunction(() => window.interactive !== undefined)
  await page.waitForLoadState('networkidle')
  const interactive = await page.evaluate(() => window.interactive)
  return { bytes: bytes + frames, frames, interactive }
}

/** From the moment a change is asked for to the frame that shows it. */
async function changesDrawn() {
  const { items } = await (await context.request.get(`${ORIGIN}/api/v1/sessions?user=admin`)).json()
  const { name } = items[0].metadata
  const times = []
  for (let change = 0; change < CHANGES; change += 1) {
    const title = `Renamed ${change}`
    // The clock starts in the page itself, which asks for the change with a request of its own.
    times.push(
      await page.evaluate(
        async ([session, displayName]) => {
          const drawn = new Promise((resolve) => {
            const look = () =>
              document.querySelector(`article[aria-label="${displayName}"]`)
                ? requestAnimationFrame(() => resolve(performance.now()))
                : undefined
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true })
          })
          const begun = performance.now()
          const headers = { 'content-type': 'application/merge-patch+json' }
          const body = JSON.stringify({ displayName })
          await fetch(`/api/v1/sessions/${session}`, { method: 'PATCH', headers, body })
          return (await drawn) - begun
        },
        [name, title],
      ),
    )
  }
  times.sort((a, b) => a - b)
  return { drawn: times[CHANGES / 2], drawnSlowest: times.at(-1) }
}

/** The whole table from top to bottom with the wheel, under Chromium's own trace. */
async function scroll() {
  await page.goto(`${ORIGIN}/sessions`)
  await page.getByRole('row').nth(5).waitFor()
  await page.waitForLoadState('networkidle')
  const events = []
  devtools.on('Tracing.dataCollected', ({ value }) => events.push(...value))
  const categories = ['devtools.timeline', 'devtools.timeline.frame', 'disabled-by-default-devtools.timeline', 'toplevel']
  await devtools.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: categories } })
  let rows = 0
  await page.mouse.move(640, 500)
  await page.evaluate(() => {
    window.longestGap = 0
    let last = performance.now()
    const frame = (now) => {
      window.longestGap = Math.max(window.longestGap, now - last)
      last = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
  for (let notch = 0; notch < 150; notch += 1) {
    await page.mouse.wheel(0, 400)
    await page.evaluate(() => new Promise(requestAnimationFrame))
    if (notch % 10 === 0) rows = Math.max(rows, await page.getByRole('row').count())
  }
  const ended = new Promise((resolve) => devtools.once('Tracing.tracingComplete', resolve))
  await devtools.send('Tracing.end')
  await ended
  const longestGap = await page.evaluate(() => window.longestGap)
  return { rows, longestGap, ...tasksIn(events) }
}

/** Milliseconds of the longest task of the page's main thread: by the clock, and of the processor. */
function tasksIn(events) {
  const main = events.find(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
  const ours = events.filter(({ tid, pid }) => main && tid === main.tid && pid === main.pid)
  const tasks = ours.filter(({ name }) => name === 'RunTask' || name === 'ThreadControllerImpl::RunTask')
  const longestTask = Math.max(0, ...tasks.map(({ dur = 0 }) => dur)) / 1000
  // What the processor did for the page alone: where others use it too, the time on the clock is theirs as well.
  const longestWork = Math.max(0, ...tasks.map(({ tdur = 0 }) => tdur)) / 1000
  return { longestTask, longestWork }
}
