// A host of git repositories as there are many: git's own HTTP backend, and a webhook after each push.

import { execFileSync, spawn } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Git without the settings of whoever runs the stories. */
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'T',
  GIT_AUTHOR_EMAIL: 't@example.com',
  GIT_COMMITTER_NAME: 'T',
  GIT_COMMITTER_EMAIL: 't@example.com',
}

export interface Webhook {
  url: string
  secret: string
}

/** One repository, its host, and a working copy to push from. */
export class GitHost {
  /** Where the repository is fetched from and pushed to. */
  readonly url: string
  /** Told of each push, once it is set. */
  webhook: Webhook | undefined
  /** What the webhooks were answered. */
  readonly answers: number[] = []

  private constructor(
    private readonly folder: string,
    private readonly server: Server,
    port: number,
  ) {
    this.url = `http://127.0.0.1:${port}/catalog.git`
    server.on('request', (request, response) => void this.serve(request, response))
  }

  static async start(port: number): Promise<GitHost> {
    const folder = await mkdtemp(join(tmpdir(), 'streamspace-git-'))
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    const host = new GitHost(folder, server, port)
    await mkdir(join(folder, 'served'))
    host.run(folder, 'init', '--quiet', '--bare', '--initial-branch=main', 'served/catalog.git')
    host.run(join(folder, 'served/catalog.git'), 'config', 'http.receivepack', 'true')
    host.run(folder, 'init', '--quiet', '--initial-branch=main', 'work')
    return host
  }

  /** Writes files of the working copy, and pushes them to `main` as a person does. */
  async push(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.folder, 'work', path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
    const work = join(this.folder, 'work')
    this.run(work, 'add', '--all')
    this.run(work, 'commit', '--quiet', '--message=change')
    // Not waited for by blocking: this very process is the host.
    const pushing = spawn('git', ['push', '--quiet', this.url, 'HEAD:refs/heads/main'], { cwd: work, env: ENVIRONMENT, stdio: 'inherit' })
    const [status] = (await once(pushing, 'exit')) as [number]
    if (status !== 0) throw new Error(`git push ended with status ${status}`)
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  private run(folder: string, ...args: string[]): void {
    execFileSync('git', args, { cwd: folder, env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'inherit'] })
  }

  /** As a web server runs git's backend by the rules of CGI. */
  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', this.url)
    const header = (name: string) => String(request.headers[name] ?? '')
    const backend = spawn('git', ['http-backend'], {
      env: {
        ...ENVIRONMENT,
        GIT_PROJECT_ROOT: join(this.folder, 'served'),
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: header('content-type'),
        CONTENT_LENGTH: header('content-length'),
        HTTP_CONTENT_ENCODING: header('content-encoding'),
        HTTP_GIT_PROTOCOL: header('git-protocol'),
        GIT_PROTOCOL: header('git-protocol'),
        REMOTE_ADDR: '127.0.0.1',
      },
    })
    request.pipe(backend.stdin)
    const parts: Buffer[] = []
    backend.stdout.on('data', (part: Buffer) => parts.push(part))
    await once(backend, 'close')
    const whole = Buffer.concat(parts)
    const end = whole.indexOf('\r\n\r\n')
    let status = 200
    for (const line of whole.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/)
      if (name === 'Status') status = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.writeHead(status).end(whole.subarray(end + 4))
    if (request.method === 'POST' && pathname.endsWith('/git-receive-pack')) await this.tell()
  }

  /** What GitHub sends after a push. */
  private async tell(): Promise<void> {
    if (this.webhook === undefined) return
    const { url, secret } = this.webhook
    const repository = { clone_url: this.url, html_url: this.url.replace(/\.git$/, ''), default_branch: 'main' }
    const body = JSON.stringify({ ref: 'refs/heads/main', repository })
    const signature = createHmac('sha256', secret).update(body).digest('hex')
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${signature}`,
    }
    // `localhost` is more than one address to Node, and the server has one.
    const answer = await fetch(url.replace('//localhost', '//127.0.0.1'), { method: 'POST', headers, body })
    this.answers.push(answer.status)
  }
}
