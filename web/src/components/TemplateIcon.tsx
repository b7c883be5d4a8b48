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
  type Icon as Glyph,
} from '@tabler/icons-react'
import { createElement } from 'react'
import type { Template } from '~/api/types'
import classes from './TemplateIcon.module.css'

/** Words that speak of what a template opens, most telling first. */
const GLYPHS: [words: RegExp, icon: Glyph][] = [
  [/terminal|shell|console|ssh/, IconTerminal2],
  [/jupyter|notebook|rstudio/, IconNotebook],
  [/browser|firefox|chrom|web$/, IconWorld],
  [/code|ide|editor|develop/, IconCode],
  [/desktop|linux|xfce|ubuntu|debian/, IconDeviceDesktop],
  [/data|sql|database/, IconDatabase],
  [/science|plot|stat|analy/, IconChartDots],
  [/design|draw|paint|graphic|gimp|media/, IconBrush],
]

function glyphOf(texts: readonly string[]): Glyph {
  for (const text of texts) {
    const found = GLYPHS.find(([pattern]) => pattern.test(text.toLowerCase()))
    if (found) return found[1]
  }
  return IconApps
}

/** An icon that never leaves the origin: one from elsewhere would tell a stranger who looks at what. */
function ownIcon(url: string | null | undefined): string | undefined {
  return url && (/^\/(?!\/)/.test(url) || url.startsWith('data:image/')) ? url : undefined
}

interface IconProps {
  /** Where the picture is; one that is not on this very origin is not fetched. */
  icon: string | null | undefined
  /** What to choose a glyph by where there is no picture; the earlier text weighs more. */
  words: readonly string[]
  size?: number
}

export function Icon({ icon, words, size = 40 }: IconProps) {
  const url = ownIcon(icon)
  return (
    <span className={classes.tile} style={{ width: size, height: size }} aria-hidden="true">
      {url ? (
        <img src={url} alt="" width={size * 0.6} height={size * 0.6} />
      ) : (
        createElement(glyphOf(words), { size: size * 0.55, stroke: 1.6 })
      )}
    </span>
  )
}

interface Props {
  template: Template | undefined
  /** Stands in while the template is not known. */
  name: string
  size?: number
}

export function TemplateIcon({ template, name, size }: Props) {
  const { category = '', tags = [], icon } = template?.spec ?? {}
  return <Icon icon={icon} words={[name, category, tags.join(' ')]} size={size} />
}
