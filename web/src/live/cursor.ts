/**
 * How far each feed has been read. The server writes a cursor as `feed:number` joined by commas; a frame may carry
 * one feed or several, so they are kept apart and joined again for the next connection.
 */
export class Cursors {
  readonly #feeds = new Map<string, string>()

  take(cursor: string | undefined): void {
    for (const part of cursor?.split(',') ?? []) {
      const colon = part.indexOf(':')
      if (colon > 0) this.#feeds.set(part.slice(0, colon), part)
    }
  }

  of(feed: string): string | undefined {
    return this.#feeds.get(feed)
  }

  toString(): string {
    return [...this.#feeds.values()].join(',')
  }
}
