import { Group, Title } from '@mantine/core'
import { useEffect, type ReactNode } from 'react'
import { strings } from '~/strings'

/** Names the browser's tab after the page. */
export function useDocumentTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · ${strings.product}` : strings.product
  }, [title])
}

export function PageTitle({ title, children }: { title: string; children?: ReactNode }) {
  useDocumentTitle(title)
  return (
    <Group justify="space-between" align="center" mb="lg" gap="md">
      <Title order={1} size="h2" fz={24}>
        {title}
      </Title>
      {children}
    </Group>
  )
}
