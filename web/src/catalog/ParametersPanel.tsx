import { Fieldset, Stack, Text } from '@mantine/core'
import { useMemo, useState } from 'react'
import { ParametersForm } from '~/components/ParametersForm'
import { defaultsOf, fieldsOf, type Values } from '~/lib/schema'
import { strings } from '~/strings'

const words = strings.catalog
const NO_MISTAKES = {}

/** The launch form as people will see it, to be tried out without any effect. */
export function ParametersPanel({ spec }: { spec: Record<string, unknown> }) {
  const fields = useMemo(() => fieldsOf(spec['parameters'] as Parameters<typeof fieldsOf>[0]), [spec])
  const [values, setValues] = useState<Values>(() => defaultsOf(fields))
  if (fields.length === 0) return <Text size="sm">{words.noParameters}</Text>
  return (
    <Fieldset legend={words.tabs.parameters} maw={480}>
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          {words.parametersText}
        </Text>
        <ParametersForm
          fields={fields}
          values={values}
          mistakes={NO_MISTAKES}
          onChange={(name, value) => setValues((old) => ({ ...old, [name]: value }))}
        />
      </Stack>
    </Fieldset>
  )
}
