import { complain } from '~/lib/notices'
import { connect } from './connectionKeeper'

/**
 * Opens a session's app in a tab of its own. The tab is opened before the address is known, because browsers allow
 * it only during the click; the address works once, so each tab gets a new one.
 */
export async function openAlone(session: string): Promise<void> {
  const tab = window.open('about:blank', '_blank')
  if (tab) tab.opener = null
  try {
    const { url } = await connect(session)
    if (tab) tab.location.replace(url)
    else location.assign(url)
  } catch (failure) {
    tab?.close()
    complain(failure)
  }
}
