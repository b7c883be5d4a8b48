import { Button } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { strings } from '~/strings'
import { EmptyState } from './EmptyState'

interface Props {
  /** Words of the list in question. */
  words: { empty: string; emptyText: string }
  onClear: () => void
}

/** In place of a list of which the filters leave nothing. */
export function NothingFound({ words, onClear }: Props) {
  return (
    <EmptyState
      icon={<IconSearch size={24} stroke={1.6} />}
      title={words.empty}
      text={words.emptyText}
      action={
        <Button variant="default" onClick={onClear}>
          {strings.clearFilters}
        </Button>
      }
    />
  )
}
