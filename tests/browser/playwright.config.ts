import { defineConfig } from '@playwright/test'

/** Where Debian puts Chromium; another one through CHROMIUM. */
const chromium = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

export default defineConfig({
  testDir: 'stories',
  outputDir: '../../target/browser/results',
  // One server, one machine: the stories share its processors and would only slow each other down.
  workers: 1,
  fullyParallel: false,
  forbidOnly: process.env['CI'] !== undefined,
  // A story that fails now and then is a defect, of the product or of the story.
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['html', { outputFolder: '../../target/browser/report', open: 'never' }]],
  use: {
    browserName: 'chromium',
    actionTimeout: 20_000,
    navigationTimeout: 20_000,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: chromium,
      // Chromium's own sandbox refuses to start as root.
      chromiumSandbox: process.getuid?.() !== 0,
      // Playwright's own list, of which the last one counts, turns the partitioning of storage off too. Then an app in a
      // frame on another site can store nothing, which is so in no browser that a person uses.
      args: ['--disable-features=Translate,HttpsUpgrades,PaintHolding,MediaRouter,OptimizationHints,LensOverlay'],
    },
  },
})
