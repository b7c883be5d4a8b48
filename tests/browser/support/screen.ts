// The screen of a desktop, as the page draws it.

import type { Locator, Page } from '@playwright/test'

/** The canvas on which the desktop lives; beside it lies another one, which shows the last picture while it is away. */
export function screenOf(page: Page): Locator {
  return page.getByRole('application', { name: /^Screen of / }).locator('canvas')
}
