// An identity provider on pysaml2, of the story's own.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './server.ts'

const START_WITHIN_MS = 30_000
const PROGRAM = join(import.meta.dirname, 'pysaml2-idp.py')

export interface Known {
  password: string
  /** What the provider calls them, for good. */
  id: string
  attributes: Record<string, string | string[]>
}

export class Pysaml2 {
  private readonly output: string[] = []

  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
    readonly origin: string,
  ) {
    for (const stream of [process.stdout, process.stderr]) stream?.on('data', (data) => this.output.push(String(data)))
  }

  /** Starts one that knows `people` by their names, for the server at `origin`. */
  static async start(origin: string, people: Record<string, Known>): Promise<Pysaml2> {
    const python = process.env['PYSAML2']
    if (python === undefined) throw new Error('PYSAML2 has to name the Python that has pysaml2: use `make test-sso`')
    const folder = await mkdtemp(join(tmpdir(), 'streamspace-pysaml2-'))
    const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')]
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=pysaml2', '-keyout', key, '-out', certificate]
    execFileSync('openssl', made, { stdio: 'ignore' })
    const port = await freePort()
    const child = spawn(python, [PROGRAM, String(port), origin, certificate, key], { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.end(JSON.stringify(people))
    const provider = new Pysaml2(folder, child, `http://localhost:${port}`)
    try {
      await provider.answers()
    } catch (failure) {
      await provider.stop()
      throw new Error(`${String(failure)}\n${provider.said}`)
    }
    return provider
  }

  /** Where it says what it is, which is its name too. */
  get metadata(): string {
    return `${this.origin}/metadata`
  }

  /** What it wrote. */
  get said(): string {
    return this.output.join('')
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      const exit = once(this.process, 'exit')
      this.process.kill('SIGKILL')
      await exit
    }
    await rm(this.folder, { recursive: true, force: true })
  }

  private async answers(): Promise<void> {
    const deadline = Date.now() + START_WITHIN_MS
    while (Date.now() < deadline) {
      if (this.process.exitCode !== null) throw new Error('pysaml2 ended')
      const answer = await fetch(this.metadata).catch(() => undefined)
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`pysaml2 did not answer within ${START_WITHIN_MS} ms`)
  }
}
