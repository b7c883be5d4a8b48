//! What the holder does about each thing that happens.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    CHUNK, Deadlines, Holder, KILL_DELAY, Source, WATCH_INTERVAL, ending::Asked, output::Stream, sandbox::Sandbox, tree,
};
use crate::{
    crd::Reason,
    engine::local::{
        files, host, layout,
        wire::{Exit, FromInit, Order, Spec, VERSION, Verdict, take_lines},
    },
};

impl Holder {
    /// Takes what the program wrote, at most a chunk at a time, so that a flood keeps nothing else waiting; all of it
    /// once the sandbox is gone.
    pub(super) fn read_output(&mut self, sandbox: &mut Sandbox, source: Source, all: bool) {
        let (pipe, stream) = match source {
            Source::Stderr => (&mut sandbox.stderr, Stream::Stderr),
            _ => (&mut sandbox.stdout, Stream::Stdout),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let Some(fd) = pipe.as_ref() else { return };
            match rustix::io::read(fd, &mut chunk[..]) {
                Ok(0) => *pipe = None,
                Ok(length) => self.output.take(stream, &chunk[..length], self.clock.now()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => *pipe = None,
            }
            if !all {
                return;
            }
        }
    }

    /// Takes what the init process says.
    pub(super) fn read_init(&mut self, sandbox: &Sandbox) {
        let mut chunk = [0; 4096];
        while self.init_open {
            match rustix::net::recv(&sandbox.channel, &mut chunk, rustix::net::RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.init_open = false,
                Ok((length, _)) => self.from_init.extend_from_slice(&chunk[..length]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.init_open = false,
            }
        }
        for event in take_lines(&mut self.from_init) {
            self.heard(event);
        }
    }

    fn heard(&mut self, event: FromInit) {
        match event {
            // Waited for before the network was connected.
            FromInit::Ready => return,
            FromInit::Started => {
                self.started = Some(Instant::now());
                self.status.started_at = Some(self.clock.now());
                self.status.listening = self.spec.workload.ports.is_empty();
            }
            FromInit::NotStarted { missing, message } => {
                let reason = if missing { Reason::ProgramMissing } else { Reason::Unknown };
                self.seen.not_started = Some(Verdict::new(reason, message));
                return;
            }
            FromInit::Listening => {
                self.status.listening = true;
                self.deadlines.port = None;
            }
            FromInit::Ended { code, signal } => {
                self.seen.code = code;
                self.seen.signal = signal;
                return;
            }
        }
        self.control.tell(&self.status);
    }

    /// Does what a server asks.
    pub(super) fn obey(&mut self, sandbox: &Sandbox, client: usize) {
        for order in self.control.read(client) {
            match order {
                Order::Stop { grace_ms, verdict, .. } => self.stop(sandbox, grace_ms, verdict),
                Order::Note { text, .. } => self.output.note(&text, self.clock.now()),
            }
        }
    }

    /// Begins the end. The first reason stands; a later order can only shorten the grace.
    pub(super) fn stop(&mut self, sandbox: &Sandbox, grace_ms: u64, verdict: Option<Verdict>) {
        if let Some(verdict) = &verdict {
            self.output.note(&verdict.message, self.clock.now());
        }
        self.seen.asked.get_or_insert(verdict.map_or(Asked::Person, Asked::Platform));
        // If nobody listens any more, the sandbox is ending already.
        let _ = sandbox.stop(grace_ms);
        let kill = Instant::now() + Duration::from_millis(grace_ms) + KILL_DELAY;
        self.deadlines.kill = Some(self.deadlines.kill.map_or(kill, |earlier| earlier.min(kill)));
        self.deadlines.port = None;
        self.status.stopping = true;
        self.control.tell(&self.status);
    }

    pub(super) fn keep_deadlines(&mut self, sandbox: &mut Sandbox) {
        let now = Instant::now();
        let due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if due(self.deadlines.port) {
            let port = self.spec.workload.ports.first().copied().unwrap_or_default();
            let seconds = self.spec.port_deadline_ms / 1000;
            let message = format!("Nothing answered on port {port} within {seconds} s of the start.");
            self.stop(sandbox, 0, Some(Verdict::new(Reason::PortNeverOpened, message)));
        }
        if due(self.deadlines.watch) {
            self.deadlines.watch = Some(now + WATCH_INTERVAL);
            self.watch_memory(sandbox);
        }
        if due(self.deadlines.kill) {
            self.deadlines.kill = None;
            sandbox.kill();
        }
    }

    /// Stands in for the cgroup that the host does not let us have.
    fn watch_memory(&mut self, sandbox: &Sandbox) {
        let limit = self.spec.workload.limits.memory_bytes;
        if tree::usage(sandbox.inner_pid).is_some_and(|usage| usage.memory_bytes > limit) {
            let mib = limit / (1024 * 1024);
            let message = format!("The program needed more than the {mib} MiB of memory it may use.");
            self.stop(sandbox, 0, Some(Verdict::new(Reason::OutOfMemory, message)));
        }
    }

    /// Writes down how it ended, then says so.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.network = None;
        let now = self.clock.now();
        self.output.close_lines(now);
        self.seen.ran = self.started.map(|at| at.elapsed());
        self.seen.out_of_memory = self.spec.oom_count.as_deref().map_or(0, host::oom_kills) > self.oom_before;
        self.seen.last_lines = self.output.last_lines();
        let ending = std::mem::take(&mut self.seen).ending(self.spec.workload.limits.memory_bytes, now);
        self.output.note(ending.message.lines().next().unwrap_or_default(), now);
        let exit = Exit { version: VERSION, run: self.spec.workload.run, ending };
        let written = files::write(&self.spec.record.join(layout::EXIT), &exit, files::Durable::Yes);
        self.status.exit = Some(exit);
        self.control.tell(&self.status);
        written
    }
}

impl Deadlines {
    /// Until the next of them; `None`: there is none.
    pub(super) fn timeout(&self) -> Option<rustix::event::Timespec> {
        let next = [self.port, self.kill, self.watch].into_iter().flatten().min()?;
        // Rounded up, so that the deadline has passed when `poll` returns.
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        rustix::event::Timespec::try_from(left).ok()
    }
}

/// Whether the home can be written at all, seen as the session will see it.
pub(super) fn check_home(spec: &Spec) -> Result<(), Verdict> {
    files::probe(&spec.home).map_err(|error| home_verdict(&error))
}

/// What an error about a home means to its person.
fn home_verdict(error: &io::Error) -> Verdict {
    if files::is_full(error) {
        return Verdict::new(Reason::DiskFull, format!("The disk that holds the home is full: {error}."));
    }
    Verdict::new(Reason::HomeNotWritable, format!("The home cannot be written: {error}."))
}
