import { Title } from '@mantine/core'
import { useId, type ReactNode } from 'react'

/** A titled part of a drawer's panel. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  const id = useId()
  return (
    <section aria-labelledby={id}>
      <Title order={2} id={id} fz={13} c="dimmed" mb={6}>
        {title}
      </Title>
      {children}
    </section>
  )
}
