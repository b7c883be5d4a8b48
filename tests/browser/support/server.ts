// The real server, as a child process with data, sockets and ports of its own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type Place, placeFor } from './places.ts'

const TARGET = resolve(import.meta.dirname, '../../../target/debug')

/** Where `scripts/setup` keeps JupyterLab: below the data folder that the server has by default. */
const TOOLS = join(
  process.getuid?.() === 0 ? '/var/lib' : (process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share')),
  'streamspace/tools',
)

/** Longest start of the server: it makes a database first. */
const START_WITHIN_MS = 60_000
/** Longest orderly stop. */
const STOP_WITHIN_MS = 30_000

export interface ServerOptions {
  /** Where people reach it; any free port otherwise. */
  port?: number
  /** The program with a clock that can be moved, in place of the one that is shipped. */
  movableClock?: boolean
  /** Further settings, by the names of the environment. */
  settings?: Record<string, string>
}

/** A free port of this machine. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export class Server {
  /** Where people go, such as `http://localhost:40123`. */
  readonly origin: string
  /** What the server wrote, newest last. */
  readonly output: string[] = []
  private process: ChildProcess | undefined
  private aheadMs = 0
  private heard = new Set<() => void>()

  private constructor(
    private readonly folder: string,
    readonly port: number,
    private readonly managementPort: number,
    private readonly options: ServerOptions,
    /** Where its sessions run. */
    readonly place: Place,
  ) {
    this.origin = options.settings?.['PUBLIC_URL'] ?? `http://localhost:${port}`
  }

  static async start(options: ServerOptions = {}): Promise<Server> {
    // Readable by others: the database and the sessions have users of their own where the server is root.
    const folder = await mkdtemp(join(tmpdir(), 'streamspace-stories-'))
    await chmod(folder, 0o755)
    await mkdir(join(folder, 'data'), { mode: 0o755 })
    await symlink(TOOLS, join(folder, 'data/tools'))
    const place = await placeFor(folder)
    const server = new Server(folder, options.port ?? (await freePort()), await freePort(), options, place)
    try {
      await server.run()
    } catch (failure) {
      await server.remove()
      throw failure
    }
    return server
  }

  /** The one-time sign-in link that the server printed at its last start, if it did. */
  get link(): string | undefined {
    const links = this.output.join('\n').match(/https?:\/\/\S+\/sign-in#link=[\w.-]+/g)
    return links?.at(-1)
  }

  /** Ends the server; its data stay. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = this.process
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const exit = once(running, 'exit')
    running.kill(signal)
    const late = setTimeout(() => running.kill('SIGKILL'), STOP_WITHIN_MS)
    await exit
    clearTimeout(late)
    this.process = undefined
  }

  /** Starts the server on the data that are there. */
  async run(): Promise<void> {
    const program = join(TARGET, this.options.movableClock ? 'examples/movable-clock' : 'streamspace')
    const from = this.output.length
    const child = spawn(program, ['serve'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        DATA_DIR: join(this.folder, 'data'),
        RUN_DIR: join(this.folder, 'run'),
        API_PORT: String(this.port),
        MANAGEMENT_PORT: String(this.managementPort),
        // The stories sign in more often than people do.
        RATE_LIMIT_SIGN_IN: '0',
        ...this.place.settings,
        ...this.options.settings,
      },
    })
    this.process = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.output.push(line)
        for (const wake of this.heard) wake()
      })
    }
    child.on('exit', () => {
      for (const wake of this.heard) wake()
    })
    await this.hear(/Ctrl-C stops the server/, from, START_WITHIN_MS)
  }

  /** Where it keeps its data. */
  get data(): string {
    return join(this.folder, 'data')
  }

  /** Kills the database, and keeps it from starting again: what says how it ended cannot be read. */
  async loseDatabase(): Promise<void> {
    const cluster = join(this.data, 'pg/cluster')
    const pid = Number.parseInt(await readFile(join(cluster, 'postmaster.pid'), 'utf8'), 10)
    await chmod(join(cluster, 'global/pg_control'), 0)
    process.kill(pid, 'SIGKILL')
  }

  /** Lets the server start its database again. */
  async regainDatabase(): Promise<void> {
    await chmod(join(this.data, 'pg/cluster/global/pg_control'), 0o600)
  }

  /** Moves the server's clock, back when negative (only with `movableClock`). */
  async advance(seconds: number): Promise<void> {
    const from = this.output.length
    this.process?.stdin?.write(`advance ${seconds}\n`)
    await this.hear(/^clock moved/, from, 5_000)
    this.aheadMs += seconds * 1000
  }

  /** The server's present, in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.aheadMs
  }

  /** Ends the server and removes everything of it. Sessions are to be deleted before: they outlive the server. */
  async remove(): Promise<void> {
    await this.end('SIGTERM')
    await this.place.remove()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Waits for a line that matches, among those from number `from` on. */
  private async hear(pattern: RegExp, from: number, withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs
    while (!this.output.slice(from).some((line) => pattern.test(line))) {
      const left = deadline - Date.now()
      const dead = this.process?.exitCode !== null || this.process.signalCode !== null
      if (left <= 0 || dead) {
        const why = dead ? 'the server ended' : `nothing in ${withinMs} ms`
        throw new Error(`${why} while waiting for ${String(pattern)}:\n${this.output.slice(from).join('\n')}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, left)
        const heard = this.heard
        function done() {
          clearTimeout(timer)
          heard.delete(done)
          resolve()
        }
        heard.add(done)
      })
    }
  }
}
