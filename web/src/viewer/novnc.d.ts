/** The part of noVNC's API (docs/API.md of the package) that the viewer uses. */
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
