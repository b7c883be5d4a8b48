import { Anchor } from '@mantine/core'
import { Link, type LinkProps } from '@tanstack/react-router'

/** The way to the page above this one. */
export function BackLink({ to, children }: { to: LinkProps['to']; children: string }) {
  return (
    <Anchor size="sm" display="inline-block" mb="xs" renderRoot={(props) => <Link {...props} to={to} />}>
      ← {children}
    </Anchor>
  )
}
