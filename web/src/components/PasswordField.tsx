import { PasswordInput, type PasswordInputProps } from '@mantine/core'

/** A field for something secret, which also tells a screen reader that it is wrong. */
export function PasswordField(props: PasswordInputProps) {
  return <PasswordInput {...props} aria-invalid={Boolean(props.error)} />
}
