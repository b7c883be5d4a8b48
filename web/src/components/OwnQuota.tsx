import { Box, SimpleGrid, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { limitedBy, nearlyUsed } from '~/lib/quota'
import { ownQuotaQuery } from '~/people/queries'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { Note } from './Note'
import { QuotaMeters } from './QuotaMeters'

/** What one may use, and does: for those who are limited, by themselves or with their groups. */
export function OwnQuota() {
  const quota = useQuery(ownQuotaQuery).data
  const limited = quota ? [quota, ...quota.groups].filter((one) => limitedBy(one).length > 0) : []
  if (limited.length === 0) return null
  return (
    <section className={layout.section} aria-labelledby="quota">
      <Title id="quota" order={2} fz={16} mb="sm">
        {strings.quota.title}
      </Title>
      {limited.map((one) => (
        <Box key={one === quota ? '' : one.name} className={layout.panel} mb="sm">
          {one !== quota && (
            <Text size="sm" fw={600} mb="xs">
              {strings.quota.shared(one.name)}
            </Text>
          )}
          {nearlyUsed(one).length > 0 && (
            <Box mb="sm">
              <Note
                title={strings.quota.little(nearlyUsed(one).map((dimension) => strings.quota.dimensions[dimension]))}
                text={strings.quota.littleText}
              />
            </Box>
          )}
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="lg">
            <QuotaMeters quota={one} />
          </SimpleGrid>
        </Box>
      ))}
    </section>
  )
}
