/** What the browser lets this page do with the clipboard. */
export type ClipboardAccess = 'granted' | 'prompt' | 'denied' | 'unavailable'

async function status(): Promise<PermissionStatus | undefined> {
  try {
    // Chromium knows this permission; others refuse the name.
    return await navigator.permissions.query({ name: 'clipboard-read' as PermissionName })
  } catch {
    return undefined
  }
}

// Over plain http there is no `navigator.clipboard`, whatever the types say.
function clipboard(): Clipboard | undefined {
  return (navigator as { clipboard?: Clipboard }).clipboard
}

/** Calls `listener` with the access now and at each change, until the returned function is called. */
export function watchAccess(listener: (access: ClipboardAccess) => void): () => void {
  let permission: PermissionStatus | undefined
  let stopped = false
  const tell = () => listener(permission?.state ?? 'unavailable')
  void status().then((found) => {
    if (stopped) return
    permission = clipboard() && found
    permission?.addEventListener('change', tell)
    tell()
  })
  return () => {
    stopped = true
    permission?.removeEventListener('change', tell)
  }
}

/** The clipboard's text; nothing where the browser does not give it. Asks the person if it has never been asked. */
export async function readClipboard(): Promise<string | undefined> {
  try {
    return await clipboard()?.readText()
  } catch {
    return undefined
  }
}

/** Whether `text` is on the clipboard now. Browsers refuse while the page is not looked at. */
export async function writeClipboard(text: string): Promise<boolean> {
  try {
    await clipboard()?.writeText(text)
    return clipboard() !== undefined
  } catch {
    return false
  }
}
