// JupyterLab as a session shows it, on its own origin inside a frame.

import { expect, type FrameLocator, type Page } from '@playwright/test'

/** JupyterLab is large; on a busy machine its page takes its time. */
const OPENS_WITHIN_MS = 60_000

export class Notebook {
  private constructor(
    private readonly page: Page,
    private readonly lab: FrameLocator,
  ) {}

  /** Waits until the launcher is there, in the session page that `page` shows or is about to show. */
  static async launcher(page: Page): Promise<FrameLocator> {
    const lab = page.frameLocator('iframe[title="Window of JupyterLab"]')
    await expect(lab.getByText('Python 3 (ipykernel)').first()).toBeVisible({ timeout: OPENS_WITHIN_MS })
    return lab
  }

  /** Opens a new notebook from the launcher and waits for its kernel. */
  static async open(page: Page): Promise<Notebook> {
    const lab = await Notebook.launcher(page)
    await lab.getByText('Python 3 (ipykernel)').first().click()
    return Notebook.ready(page, lab)
  }

  /** The notebook that was open when the session went to sleep, which JupyterLab opens again by itself. */
  static async again(page: Page): Promise<Notebook> {
    return Notebook.ready(page, page.frameLocator('iframe[title="Window of JupyterLab"]'))
  }

  private static async ready(page: Page, lab: FrameLocator): Promise<Notebook> {
    // Where its own server was away when it asked for something, JupyterLab says so until a person has read it.
    const lost = lab.getByRole('dialog', { name: /^Server Connection Error/ })
    await page.addLocatorHandler(lost, () => lost.getByRole('button', { name: 'Close' }).click())
    const notebook = new Notebook(page, lab)
    await notebook.idle()
    return notebook
  }

  /** Waits for its kernel, to which JupyterLab connects again by itself; what is run before that is lost. */
  async idle(): Promise<void> {
    await expect(this.lab.getByText('Python 3 (ipykernel) | Idle')).toBeVisible({ timeout: OPENS_WITHIN_MS })
  }

  /** Saves it under the name that it has; JupyterLab asks for one the first time. */
  async save(): Promise<void> {
    await this.page.keyboard.press('Control+s')
    await expect(this.lab.getByRole('dialog')).toBeVisible()
    await this.page.keyboard.press('Enter')
    await expect(this.lab.getByRole('dialog')).toHaveCount(0)
  }

  /** Runs `code` in the last cell; what follows is a new cell. */
  async run(code: string): Promise<void> {
    const cells = this.lab.locator('.jp-Notebook .jp-CodeCell')
    const before = await cells.count()
    await cells.last().locator('.cm-content').click()
    await this.page.keyboard.insertText(code)
    await this.page.keyboard.press('Shift+Enter')
    await expect(cells).toHaveCount(before + 1)
  }

  /** What the cell that ran last wrote. */
  get output() {
    return this.lab.locator('.jp-OutputArea-output').last()
  }

  /** What JupyterLab wants to know of the person by itself, such as whether it may fetch news. */
  get questions() {
    return this.lab.locator('.Toastify__toast')
  }

  /** The mark of a cell that still runs. */
  get running() {
    return this.lab.getByText('[*]:', { exact: true })
  }
}
