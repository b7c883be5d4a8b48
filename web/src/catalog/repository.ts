import type { Job, Repository } from '~/api/types'
import { targetOf } from '~/lib/job'
import { strings } from '~/strings'

const words = strings.repositories

/** What of a repository is read: `branch main, folder desktops`. */
export function readsOf({ branch, tag, commit, path }: Repository): string {
  const reference = branch
    ? words.branchText(branch)
    : tag
      ? words.tagText(tag)
      : commit
        ? words.commitText(commit.slice(0, 12))
        : words.mainText
  return path === '' ? reference : `${reference}, ${words.folderText(path)}`
}

/** The sync of a repository that waits or runs, by the repository's id. */
export function syncsByRepository(jobs: readonly Job[]): ReadonlyMap<string, Job> {
  return new Map(
    jobs.flatMap((job): [string, Job][] => {
      const id = targetOf(job, 'repository')
      return id === undefined ? [] : [[id, job]]
    }),
  )
}
