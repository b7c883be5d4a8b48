// Where the sessions of a server run: in sandboxes of this host or, with STORIES_CLUSTER, as pods of a cluster. What a
// story does behind the back of the page it does here.

import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

export interface Place {
  /** What the server is told of it, by the names of the environment. */
  readonly settings: Record<string, string>
  /** The processes of a session, each as `pid@start`: a pid that was given again has another start. */
  processesOf(session: string): Promise<string[]>
  /** Writes a file into the home of somebody who has a session running. */
  write(user: string, file: string, text: string): Promise<void>
  /** Leaves nothing behind; the server has ended. */
  remove(): Promise<void>
}

/** A place for the sessions of a server whose folder that is. */
export function placeFor(folder: string): Promise<Place> {
  const cluster = process.env['STORIES_CLUSTER']
  return cluster === undefined ? Promise.resolve(new Host(folder)) : Cluster.make(folder, cluster)
}

/** Of a line of `/proc/PID/stat` what is needed here. */
function read(stat: string): { pid: number; parent: number; start: string } {
  // The name of the program is in parentheses, and may hold anything.
  const behind = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
  return { pid: Number.parseInt(stat, 10), parent: Number(behind[1]), start: behind[19] ?? '' }
}

class Host implements Place {
  readonly settings = {}

  constructor(private readonly folder: string) {}

  async processesOf(session: string): Promise<string[]> {
    const record = await readFile(join(this.folder, 'data/sandboxes', session, 'record/holder.json'), 'utf8')
    const found: string[] = []
    const waiting = [(JSON.parse(record) as { pid: number }).pid]
    for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
      found.push(`${pid}@${read(await readFile(`/proc/${pid}/stat`, 'utf8')).start}`)
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
      waiting.push(...children.split(' ').filter(Boolean).map(Number))
    }
    return found
  }

  async write(user: string, file: string, text: string): Promise<void> {
    await writeFile(join(this.folder, 'data/homes', `home-${user}`, file), text)
  }

  async remove(): Promise<void> {}
}

const run = promisify(execFile)
const CHART = resolve(import.meta.dirname, '../../../charts/streamspace')
/** What the chart gives the one server that does everything. */
const ACCOUNT = 'streamspace-server'

/** A namespace of one server, in which it has the rights that the chart gives it. */
class Cluster implements Place {
  readonly settings: Record<string, string>

  private constructor(
    private readonly kubeconfig: string,
    private readonly namespace: string,
    own: string,
  ) {
    this.settings = { ENGINE: 'kubernetes', KUBECONFIG: own, NAMESPACE: namespace, USER_PV_SIZE: '1Gi' }
  }

  static async make(folder: string, kubeconfig: string): Promise<Cluster> {
    const namespace = `stories-${randomBytes(4).toString('hex')}`
    const cluster = new Cluster(kubeconfig, namespace, join(folder, 'kubeconfig'))
    await cluster.kubectl('create', 'namespace', cluster.system)
    await cluster.kubectl('create', 'namespace', namespace)
    await cluster.kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted')
    await cluster.admitServer()
    return cluster
  }

  /** Namespace of the server's account. */
  private get system(): string {
    return `${this.namespace}-system`
  }

  private async admitServer(): Promise<void> {
    const values = ['publicUrl=http://localhost', 'appsDomain=localhost', 'existingSecret=none', `sessions.namespace=${this.namespace}`]
    const { stdout: rights } = await run(process.env['HELM'] ?? 'helm', [
      ...['template', 'streamspace', CHART, '--kube-version', '1.34.4'],
      ...['--namespace', this.system, '--show-only', 'templates/rbac.yaml'],
      ...values.flatMap((value) => ['--set', value]),
    ])
    execFileSync(...this.command('apply', '--filename', '-'), { input: rights })
    const token = await this.kubectl('--namespace', this.system, 'create', 'token', ACCOUNT, '--duration=24h')
    const config = JSON.parse(await this.kubectl('config', 'view', '--raw', '--minify', '--output=json')) as {
      users: { user: object }[]
    }
    for (const user of config.users) user.user = { token: token.trim() }
    await writeFile(this.settings['KUBECONFIG'] ?? '', JSON.stringify(config), { mode: 0o600 })
  }

  async processesOf(session: string): Promise<string[]> {
    const stats = await this.within('exec', session, '--', 'sh', '-c', 'cat /proc/[0-9]*/stat')
    const all = stats.trim().split('\n').map(read)
    // What asks is in there too, but descends from nobody.
    const ours = new Set([1])
    for (let known = 0; known < ours.size; ) {
      known = ours.size
      for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid)
    }
    const { uid } = (JSON.parse(await this.within('get', 'pod', session, '--output=json')) as { metadata: { uid: string } }).metadata
    return all.filter(({ pid }) => ours.has(pid)).map(({ pid, start }) => `${uid}:${pid}@${start}`)
  }

  async write(user: string, file: string, text: string): Promise<void> {
    const pods = await this.within('get', 'pods', `--selector=stream.streamspace.io/user=${user}`, '--output=name')
    const pod = pods.split('\n')[0] ?? ''
    await this.within('exec', pod, '--', 'sh', '-c', 'printf %s "$2" > "$HOME/$1"', 'sh', file, text)
  }

  async remove(): Promise<void> {
    await this.kubectl('delete', 'namespace', this.namespace, this.system, '--wait=false')
  }

  private within(...words: string[]): Promise<string> {
    return this.kubectl('--namespace', this.namespace, ...words)
  }

  private async kubectl(...words: string[]): Promise<string> {
    return (await run(...this.command(...words))).stdout
  }

  private command(...words: string[]): [string, string[]] {
    return [process.env['KUBECTL'] ?? 'kubectl', ['--kubeconfig', this.kubeconfig, ...words]]
  }
}
