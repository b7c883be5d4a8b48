// The pictures that the documentation shows, taken while a story is at that point.

import { resolve } from 'node:path'
import type { Page } from '@playwright/test'

const FOLDER = process.env['SCREENSHOTS']

/** Keeps a picture under `name`; does nothing unless pictures were asked for (`make screenshots`). */
export async function picture(page: Page, name: string): Promise<void> {
  if (FOLDER === undefined) return
  const path = resolve(import.meta.dirname, '../../..', FOLDER, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
}
