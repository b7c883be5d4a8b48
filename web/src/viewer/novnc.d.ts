/** The part of noVNC's API (docs/API.md of the package) that the viewer uses; what begins with `_` is no part of it. */
declare module '@novnc/novnc' {
  interface RfbEvents {
    connect: CustomEvent
    disconnect: CustomEvent<{ clean: boolean }>
    clipboard: CustomEvent<{ text: string }>
    securityfailure: CustomEvent<{ status: number; reason?: string }>
    credentialsrequired: CustomEvent<{ types: string[] }>
    desktopname: CustomEvent<{ name: string }>
  }

  export default class RFB {
    static readonly messages: {
      extendedClipboardProvide(sock: object, formats: readonly number[], texts: string[]): void
    }
    protected readonly _sock: object
    /** What the server can do with its clipboard, by the bit of the action. */
    protected readonly _clipboardServerCapabilitiesActions: Readonly<Record<number, boolean | undefined>>
    constructor(target: HTMLElement, channel: WebSocket, options?: { shared?: boolean })
    background: string
    compressionLevel: number
    qualityLevel: number
    resizeSession: boolean
    scaleViewport: boolean
    viewOnly: boolean
    addEventListener<Name extends keyof RfbEvents>(type: Name, listener: (event: RfbEvents[Name]) => void): void
    blur(): void
    clipboardPasteFrom(text: string): void
    disconnect(): void
    focus(options?: FocusOptions): void
    getImageData(): ImageData
    /** Down and up when `down` is left out. */
    sendKey(keysym: number, code: string | null, down?: boolean): void
  }
}
