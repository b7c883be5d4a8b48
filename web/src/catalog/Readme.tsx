import classes from './Readme.module.css'

/**
 * A README. The server makes its HTML and leaves nothing in it that runs or is fetched from elsewhere; should anything slip
 * through, the page's content security policy runs and fetches nothing either.
 */
export function Readme({ html }: { html: string }) {
  return <div className={classes.readme} dangerouslySetInnerHTML={{ __html: belowTheTitle(html) }} />
}

/** Its headings one level down: the page has a title already. */
function belowTheTitle(html: string): string {
  return html.replace(/<(\/?)h([1-6])\b/g, (_, close: string, level: string) => `<${close}h${Math.min(6, Number(level) + 1)}`)
}
