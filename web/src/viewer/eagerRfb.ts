import RFB from '@novnc/novnc'

/** The extended clipboard's bits for text, and for a message that brings it. */
const TEXT = 1
const PROVIDE = 1 << 28
/** Longest text that is sent before anybody asks for it, in characters; a longer one is fetched when it is pasted. */
const EAGER_LENGTH = 64 * 1024

/**
 * noVNC, but a text put on the session's clipboard is in the session before the keys that follow.
 *
 * By itself noVNC only says that there is a text, and brings it when a program pastes it: whatever the person presses
 * during that way there and back arrives before the text, such as Enter before the command that was pasted.
 */
export class EagerRfb extends RFB {
  override clipboardPasteFrom(text: string): void {
    super.clipboardPasteFrom(text)
    if (this.viewOnly || text.length > EAGER_LENGTH || !this._clipboardServerCapabilitiesActions[PROVIDE]) return
    RFB.messages.extendedClipboardProvide(this._sock, [TEXT], [text])
  }
}
