import { useMutation, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query'
import { useMemo } from 'react'
import { feedOf, putActivity, putSession, removeSession } from '~/live/cache'
import { sharedQuery } from '~/sharing/queries'
import { answer, api } from './client'
import { keys } from './keys'
import { meQuery, sessionQuery, sessionsOfQuery, sessionsQuery, templateQuery, templatesQuery, POLL_MS, unlessFed } from './queries'
import type { Me, Session, SessionPatch, Template } from './types'

/** The person who is signed in. Only below the route that sends everyone else to the sign-in page. */
export function useMe(): Me {
  const { data } = useQuery(meQuery)
  const { data: shared } = useQuery(sharedQuery)
  if (!data) throw new Error('useMe is for pages behind the sign-in')
  return useMemo(() => (shared ? { ...data, shared } : data), [data, shared])
}

/** Every session that one may see. */
export function useSessions(): UseQueryResult<readonly Session[]> {
  const client = useQueryClient()
  return useQuery({ ...sessionsQuery, refetchInterval: unlessFed(client, keys.sessions) })
}

/** One's own sessions. */
export function useOwnSessions(): UseQueryResult<readonly Session[]> {
  const client = useQueryClient()
  const { name } = useMe()
  return useQuery({ ...sessionsOfQuery(name), refetchInterval: unlessFed(client, keys.sessionsOf(name)) })
}

/** One session, from a list where a list has it; kept up to date by the feed. */
export function useSession(name: string): UseQueryResult<Session> {
  const client = useQueryClient()
  const query = sessionQuery(name)
  return useQuery({
    ...query,
    initialData: () =>
      client
        .getQueriesData<readonly Session[]>({ queryKey: keys.sessions })
        .flatMap(([, sessions]) => sessions ?? [])
        .find((session) => session.metadata.name === name),
    staleTime: () => (feedOf(client, keys.sessions) ? Number.POSITIVE_INFINITY : 10_000),
    refetchInterval: () => (feedOf(client, keys.sessions) ? false : POLL_MS),
  })
}

/** One template, from the gallery's list where the list has it. */
export function useTemplate(name: string): UseQueryResult<Template> {
  const client = useQueryClient()
  return useQuery({
    ...templateQuery(name),
    initialData: () =>
      client.getQueryData<readonly Template[]>(keys.templates)?.find((template) => template.metadata.name === name),
    initialDataUpdatedAt: () => client.getQueryState(keys.templates)?.dataUpdatedAt,
  })
}

/** Templates by name, for the pages that name them beside something else. Empty until they are there. */
export function useTemplatesByName(): ReadonlyMap<string, Template> {
  const { data } = useQuery(templatesQuery)
  return useMemo(() => new Map(data?.map((template) => [template.metadata.name, template])), [data])
}

const path = (id: string) => ({ params: { path: { id } } })

export function usePatchSession() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ name, patch }: { name: string; patch: SessionPatch }) =>
      answer(api.PATCH('/api/v1/sessions/{id}', { ...path(name), body: patch })),
    onSuccess: (session) => putSession(client, session),
  })
}

/** Enters a session, which wakes it. */
export function useConnectSession() {
  return useMutation({
    mutationFn: async (name: string): Promise<void> => {
      await answer(api.POST('/api/v1/sessions/{id}/connect', path(name)))
    },
  })
}

export function useRestartSession() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (name: string) => answer(api.POST('/api/v1/sessions/{id}/restart', path(name))),
    onSuccess: (session) => putSession(client, session),
  })
}

export function useDeleteSession() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (name: string) => answer(api.DELETE('/api/v1/sessions/{id}', path(name))),
    // The feed tells how it goes on. Without one, the list is asked again.
    onSuccess: (_, name) => {
      if (feedOf(client, keys.sessions)) return
      removeSession(client, name)
      void client.invalidateQueries({ queryKey: keys.sessions })
    },
  })
}

export function useSnooze(name: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (duration: string) =>
      answer(api.POST('/api/v1/sessions/{id}/snooze', { ...path(name), body: { for: duration } })),
    onSuccess: (activity) => putActivity(client, activity),
  })
}
