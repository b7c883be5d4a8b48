import { Chip } from '@mantine/core'
import { useId, type ReactNode } from 'react'
import classes from './Facets.module.css'

/** A row of choices behind its name; nothing while there is nothing to choose. */
export function FacetGroup({ label, children }: { label: string; children: ReactNode[] }) {
  const id = useId()
  if (children.length === 0) return null
  return (
    <div role="group" aria-labelledby={id} className={classes.facet}>
      <span id={id} className={classes.facetLabel}>
        {label}
      </span>
      <div className={classes.choices}>{children}</div>
    </div>
  )
}

interface FacetProps {
  label: string
  number: number
  checked: boolean
  onToggle: () => void
}

export function Facet({ label, number, checked, onToggle }: FacetProps) {
  return (
    <Chip size="xs" checked={checked} onChange={onToggle}>
      {label} <span className={classes.number}>{number}</span>
    </Chip>
  )
}
