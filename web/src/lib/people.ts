/** What a person is called: the full name, where there is one. */
export function nameOf({ name, displayName }: { name: string; displayName: string }): string {
  return displayName || name
}
