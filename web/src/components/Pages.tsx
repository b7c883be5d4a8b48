import { Group, Pagination, Text } from '@mantine/core'
import { strings } from '~/strings'

interface Props {
  page: number
  pages: number
  onPage: (page: number) => void
}

const words = strings.pages

/** The way to the other pages of a list; nothing while there is one. */
export function Pages({ page, pages, onPage }: Props) {
  if (pages <= 1) return null
  return (
    <Group justify="space-between" mt="md">
      <Text size="sm" c="dimmed">
        {words.page(page, pages)}
      </Text>
      <Pagination
        total={pages}
        value={page}
        onChange={onPage}
        getItemProps={(number) => ({ 'aria-label': words.page(number, pages) })}
        getControlProps={(control) => ({ 'aria-label': words.controls[control] })}
      />
    </Group>
  )
}
