/** The button that shows and hides the panels: where the focus goes when they are closed. */
export const DETAILS_ID = 'session-details'

export const PANELS = ['health', 'timeline', 'logs', 'usage', 'people'] as const
export type Panel = (typeof PANELS)[number]
