export const PANELS = ['health', 'timeline', 'logs', 'usage', 'people'] as const
export type Panel = (typeof PANELS)[number]
