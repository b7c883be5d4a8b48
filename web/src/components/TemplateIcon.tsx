import {
  IconApps,
  IconBrush,
  IconChartDots,
  IconCode,
  IconDatabase,
  IconDeviceDesktop,
  IconNotebook,
  IconTerminal2,
  IconWorld,
  type Icon,
} from '@tabler/icons-react'
import { createElement } from 'react'
import type { Template } from '~/api/types'
import classes from './TemplateIcon.module.css'

/** Words that speak of what a template opens, most telling first. */
const GLYPHS: [words: RegExp, icon: Icon][] = [
  [/terminal|shell|console|ssh/, IconTerminal2],
  [/jupyter|notebook|rstudio/, IconNotebook],
  [/browser|firefox|chrom|web$/, IconWorld],
  [/code|ide|editor|develop/, IconCode],
  [/desktop|linux|xfce|ubuntu|debian/, IconDeviceDesktop],
  [/data|sql|database/, IconDatabase],
  [/science|plot|stat|analy/, IconChartDots],
  [/design|draw|paint|graphic|gimp|media/, IconBrush],
]

/** The first glyph that one of `texts` speaks of; the earlier text weighs more. */
function glyphOf(...texts: string[]): Icon {
  for (const text of texts) {
    const found = GLYPHS.find(([pattern]) => pattern.test(text.toLowerCase()))
    if (found) return found[1]
  }
  return IconApps
}

/** An icon that never leaves the origin: one from elsewhere would tell a stranger who looks at what. */
function ownIcon(url: string | undefined): string | undefined {
  return url && (/^\/(?!\/)/.test(url) || url.startsWith('data:image/')) ? url : undefined
}

interface Props {
  template: Template | undefined
  /** Stands in while the template is not known. */
  name: string
  size?: number
}

export function TemplateIcon({ template, name, size = 40 }: Props) {
  const { category = '', tags = [], icon } = template?.spec ?? {}
  const url = ownIcon(icon)
  return (
    <span className={classes.tile} style={{ width: size, height: size }} aria-hidden="true">
      {url ? <img src={url} alt="" width={size * 0.6} height={size * 0.6} /> : createElement(glyphOf(name, category, tags.join(' ')), { size: size * 0.55, stroke: 1.6 })}
    </span>
  )
}
