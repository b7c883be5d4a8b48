import { Title } from '@mantine/core'
import { useId, type ReactNode } from 'react'

/** A titled part of a page. */
export function Part({ title, children }: { title: string; children: ReactNode }) {
  const id = useId()
  return (
    <section aria-labelledby={id}>
      <Title order={2} id={id} fz={16} mb="sm">
        {title}
      </Title>
      {children}
    </section>
  )
}
