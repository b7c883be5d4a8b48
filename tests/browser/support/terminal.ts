// The terminal that a session shows, on its own origin inside a frame.

import { expect, type FrameLocator, type Page } from '@playwright/test'

export class Terminal {
  private constructor(
    private readonly page: Page,
    private readonly frame: FrameLocator,
  ) {}

  /** In the session page that `page` shows or is about to show. */
  static async in(page: Page, title = 'Terminal'): Promise<Terminal> {
    const frame = page.frameLocator(`iframe[title="Window of ${title}"]`)
    const terminal = new Terminal(page, frame)
    await expect(terminal.input).toBeAttached()
    await terminal.shows(/[$#%]\s*$/m)
    return terminal
  }

  private get input() {
    return this.frame.getByRole('textbox', { name: 'Terminal input' })
  }

  /** Types with the keyboard, and presses Enter; only once connected, since keys pressed before that are lost. */
  async enter(line: string): Promise<void> {
    await expect(this.frame.getByRole('status', { includeHidden: true })).toBeHidden()
    await this.input.focus()
    await this.page.keyboard.type(line)
    await this.page.keyboard.press('Enter')
  }

  /** Waits until the screen holds `text`. */
  async shows(text: string | RegExp): Promise<void> {
    await expect(this.frame.locator('.xterm-rows')).toContainText(text)
  }

  /** What a command prints, told apart from its echo. */
  async run(command: string, expected: string | RegExp): Promise<void> {
    await this.enter(command)
    await this.shows(expected)
  }

  /** Waits until a file is there, and compares what is in it. */
  async holds(file: string, text: string): Promise<void> {
    await this.run(`until [ -s ${file} ]; do sleep .1; done; clear; echo "<$(cat ${file})>"`, `<${text}>`)
  }
}
