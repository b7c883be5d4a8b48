import classes from './Tags.module.css'

/** Tags as quiet labels; at most `most` of them. */
export function Tags({ tags = [], most = Number.POSITIVE_INFINITY }: { tags: readonly string[] | undefined; most?: number }) {
  return (
    <span className={classes.tags}>
      {tags.slice(0, most).map((tag) => (
        <span key={tag} className={classes.tag}>
          {tag}
        </span>
      ))}
    </span>
  )
}
