//! `streamspace sandbox`: holds one sandbox for as long as its program runs, whatever becomes of the server.
//!
//! One thread and `poll`: a holder is small, and there are as many as sessions.

mod control;
mod ending;
mod events;
mod filter;
mod isolate;
mod network;
mod output;
mod routes;
mod sandbox;
pub(super) mod tree;

pub use network::refuse_routes;
pub(super) use output::{BEFORE, CURRENT, FILE_BYTES};

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use rustix::event::{PollFd, PollFlags, poll};

use self::{control::Control, ending::Seen, network::Network, output::Output, sandbox::Sandbox};
use super::{
    files, host, layout, programs,
    wire::{Identity, Program, Spec, Status, VERSION, Verdict},
};
use crate::{
    clock::{Clock, MovableClock},
    crd::Reason,
};

/// How often memory is looked at where no cgroup bounds it.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// After the grace the init process kills; if even that does not end it, the holder kills the sandbox from outside.
const KILL_DELAY: Duration = Duration::from_secs(3);
/// Grace, in milliseconds, when the holder itself is asked to end, as at the shutdown of the host.
const TERM_GRACE_MS: u64 = 10_000;
/// Bytes taken at once from what the program writes.
const CHUNK: usize = 64 * 1024;

/// Runs the holder of the sandbox that standard input describes. Returns when the sandbox is gone.
///
/// Standard input is the locked `spec.json`, standard output a socket to the server that started it.
///
/// # Errors
/// Only what happens before `exit.json` could be written: a spec that cannot be read, a folder that is not there.
pub fn run() -> io::Result<()> {
    let (lock, spec) = read_spec()?;
    isolate::enter(&spec)?;
    let mut holder = Holder::new(spec, lock)?;
    match holder.start() {
        Ok(sandbox) => holder.hold(sandbox),
        Err(verdict) => {
            holder.seen.not_started = Some(verdict);
            holder.finish()
        }
    }
}

fn read_spec() -> io::Result<(File, Spec)> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((file, serde_json::from_str(&text)?))
}

struct Holder {
    spec: Spec,
    clock: Arc<dyn Clock>,
    status: Status,
    seen: Seen,
    output: Output,
    control: Control,
    dial: UnixListener,
    signals: SignalFd,
    network: Option<Network>,
    from_init: Vec<u8>,
    /// Whether the init process may still say something.
    init_open: bool,
    started: Option<Instant>,
    deadlines: Deadlines,
    oom_before: u64,
    /// Held until the end: whoever can lock the file knows that there is no holder.
    _lock: File,
}

#[derive(Default)]
struct Deadlines {
    /// The first port must be open.
    port: Option<Instant>,
    /// The sandbox is killed from outside.
    kill: Option<Instant>,
    /// Memory is looked at.
    watch: Option<Instant>,
}

/// What became ready.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Stdout,
    Stderr,
    Init,
    Gone,
    Signal,
    Listener,
    Client(usize),
}

impl Holder {
    fn new(spec: Spec, lock: File) -> io::Result<Self> {
        let clock = MovableClock::shared();
        clock.advance(spec.clock_ahead);
        let identity = Identity {
            version: VERSION,
            run: spec.workload.run,
            pid: nix::unistd::getpid().as_raw(),
            start_time: host::start_time(nix::unistd::getpid().as_raw())?,
            boot: spec.boot.clone(),
        };
        files::write(&spec.record.join(layout::IDENTITY), &identity, files::Durable::No)?;
        let first = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        Ok(Self {
            clock,
            status: Status { version: VERSION, run: spec.workload.run, ..Status::default() },
            seen: Seen::default(),
            output: Output::open(&spec.record)?,
            control: Control::open(&spec.sockets.join(layout::CONTROL), first)?,
            dial: files::listen(&spec.sockets.join(layout::DIAL))?,
            signals: SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            network: None,
            from_init: Vec::new(),
            init_open: true,
            started: None,
            deadlines: Deadlines::default(),
            oom_before: spec.oom_count.as_deref().map_or(0, host::oom_kills),
            spec,
            _lock: lock,
        })
    }

    /// Makes the sandbox with everything that has to be in force before the program starts, and lets it start.
    fn start(&mut self) -> Result<Sandbox, Verdict> {
        events::check_home(&self.spec)?;
        let failed =
            |error: io::Error| Verdict::new(Reason::Unknown, format!("The sandbox could not be made: {error}"));
        let mut sandbox = Sandbox::make(&self.spec).map_err(failed)?;
        self.status.inner_pid = Some(sandbox.inner_pid).filter(|pid| *pid > 0);
        // Not before bwrap has finished: slirp4netns brings up the loopback device, which bwrap takes for a failure if it
        // meets it up.
        if self.spec.workload.network && sandbox.inner_pid > 0 && sandbox.is_made().map_err(failed)? {
            match Network::connect(&self.spec, sandbox.inner_pid) {
                Ok(network) => self.network = Some(network),
                Err(why) => {
                    self.output.note(&format!("This session runs without a network: {why}."), self.clock.now());
                    self.status.network_missing = Some(why);
                }
            }
        }
        // It fails only if the sandbox ended meanwhile, which shows right below.
        let _ = sandbox.go(self.program(), &self.dial);
        let deadline = Duration::from_millis(self.spec.port_deadline_ms);
        self.deadlines.port = (!self.spec.workload.ports.is_empty()).then(|| Instant::now() + deadline);
        let watched = self.spec.limits_missing.is_some() && self.spec.workload.limits.memory_bytes > 0;
        self.deadlines.watch = watched.then(|| Instant::now() + WATCH_INTERVAL);
        Ok(sandbox)
    }

    fn program(&self) -> Program {
        let workload = &self.spec.workload;
        Program {
            command: [workload.command.as_slice(), &workload.args].concat(),
            env: programs::environment(workload, self.spec.tools.as_deref()),
            folder: workload.home_path.clone(),
            ports: workload.ports.clone(),
        }
    }

    /// Serves until the sandbox is gone.
    fn hold(&mut self, mut sandbox: Sandbox) -> io::Result<()> {
        loop {
            for source in self.wait(&sandbox)? {
                match source {
                    Source::Stdout | Source::Stderr => self.read_output(&mut sandbox, source, false),
                    Source::Init => self.read_init(&sandbox),
                    Source::Signal => {
                        let _ = self.signals.read_signal();
                        self.stop(&sandbox, TERM_GRACE_MS, None);
                    }
                    Source::Listener => self.control.accept(&self.status),
                    Source::Client(index) => self.obey(&sandbox, index),
                    Source::Gone => {
                        self.read_init(&sandbox);
                        self.read_output(&mut sandbox, Source::Stdout, true);
                        self.read_output(&mut sandbox, Source::Stderr, true);
                        sandbox.reap();
                        return self.finish();
                    }
                }
            }
            self.control.forget_closed();
            self.keep_deadlines(&mut sandbox);
        }
    }

    /// What is ready, at the latest at the next deadline.
    fn wait(&self, sandbox: &Sandbox) -> io::Result<Vec<Source>> {
        let mut sources: Vec<(Source, BorrowedFd<'_>)> =
            vec![(Source::Signal, self.signals.as_fd()), (Source::Listener, self.control.listener())];
        sources.extend(self.init_open.then(|| (Source::Init, sandbox.channel.as_fd())));
        sources.extend(sandbox.stdout.iter().map(|fd| (Source::Stdout, fd.as_fd())));
        sources.extend(sandbox.stderr.iter().map(|fd| (Source::Stderr, fd.as_fd())));
        sources.extend(self.control.clients().enumerate().map(|(index, fd)| (Source::Client(index), fd)));
        sources.push((Source::Gone, sandbox.gone.as_fd()));
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut fds, self.deadlines.timeout().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, _), _)| *source).collect())
    }
}
