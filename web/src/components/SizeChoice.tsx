import { Input, Radio } from '@mantine/core'
import type { Template } from '~/api/types'
import { resourcesOf, SIZES, type Size } from '~/lib/template'
import { strings } from '~/strings'
import { coresInWords, memoryInWords } from './LaunchSentence'
import classes from './SizeChoice.module.css'

interface Props {
  template: Template
  value: Size | undefined
  onChange: (size: Size) => void
}

export function SizeChoice({ template, value, onChange }: Props) {
  return (
    <Radio.Group label={strings.launch.size} value={value ?? ''} onChange={(size) => onChange(size as Size)}>
      <div className={classes.sizes}>
        {SIZES.map((size) => {
          const { cpu, memory } = resourcesOf(template, size)
          return (
            <Radio.Card key={size} value={size} className={classes.size} aria-label={strings.launch.sizes[size]}>
              <Radio.Indicator size="xs" className={classes.mark} />
              <span>
                <span className={classes.name}>{strings.launch.sizes[size]}</span>
                <Input.Description component="span">
                  <span className={classes.amount}>{coresInWords(cpu)}</span>{' '}
                  <span className={classes.amount}>{memoryInWords(memory)}</span>
                </Input.Description>
              </span>
            </Radio.Card>
          )
        })}
      </div>
    </Radio.Group>
  )
}
