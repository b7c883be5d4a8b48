//! `streamspace sandbox-init`: the first process inside a sandbox.
//!
//! It waits for the go-ahead, starts the program, takes in orphans, tells when the first port opens, and hands out
//! connections: it connects to a port inside the session's network and passes the *connected socket* to the server.
//! So nothing copies bytes, half-closed connections behave as TCP does, and the sandbox needs no path outside.

use std::{
    fs,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            net::{UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType,
    },
};

use super::{
    programs,
    wire::{FromInit, Program, ToInit, line, take_lines},
};

/// First pause between two looks at the first port.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// Longest pause between two looks.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// Once the program itself ended on request, what it left running gets this long.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// Added to the program's badness, so that the kernel takes it before the platform's own processes.
const OOM_SCORE: &str = "300";
/// Most connections that may be half asked for at once.
const MOST_DIALLERS: usize = 256;
/// Exit status where there was no program to take one from.
const NO_STATUS: u8 = 70;

/// Runs the init process; the status is the program's, or 128 and the signal.
///
/// # Errors
/// Only before the program was started.
pub fn run() -> io::Result<u8> {
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Programs inside have this uid: none may trace this process, or take a descriptor from it.
    prctl::set_dumpable(false)?;
    (&channel).write_all(&line(&FromInit::Ready))?;
    let mut buffer = Vec::new();
    let (program, listener) = await_start(&channel, &mut buffer)?;
    // What the holder blocked is its own business; the program gets no mask from us.
    SigSet::empty().thread_set_mask()?;
    let main = start(&program);
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    listener.set_nonblocking(true)?;
    let mut init = Init {
        channel,
        buffer,
        signals,
        listener,
        diallers: Vec::new(),
        ports: program.ports,
        main: None,
        status: None,
        alone: false,
        look: None,
        stop_at: None,
    };
    match main {
        Ok(pid) => {
            init.main = Some(pid);
            init.look = (!init.ports.is_empty()).then(|| (Instant::now(), FIRST_LOOK));
            init.say(&FromInit::Started);
            // It may have ended before its signal was listened for.
            init.reap();
            init.serve()
        }
        Err(event) => {
            init.say(&event);
            Ok(NO_STATUS)
        }
    }
}

/// Reads the order to start, with which the socket for connections comes.
fn await_start(channel: &UnixStream, buffer: &mut Vec<u8>) -> io::Result<(Program, UnixListener)> {
    let mut listener = None;
    loop {
        let mut chunk = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut extra = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut chunk)];
        let length = rustix::net::recvmsg(channel, slices, &mut extra, RecvFlags::CMSG_CLOEXEC)?.bytes;
        for message in extra.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                listener = listener.or(fds.map(UnixListener::from).next());
            }
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&chunk[..length]);
        if let Some(ToInit::Start(program)) = take_lines(buffer).into_iter().next() {
            let listener = listener.ok_or_else(|| io::Error::other("no socket came with the order to start"))?;
            return Ok((program, listener));
        }
    }
}

/// Starts the program: its descriptors are the two pipes to the holder and nothing else.
fn start(program: &Program) -> Result<Pid, FromInit> {
    let name = program.command.first().map_or("", String::as_str);
    let path: Vec<PathBuf> = std::env::split_paths(program.env.get("PATH").map_or("", String::as_str)).collect();
    let Some(file) = programs::find(name, &path) else {
        let message = format!("There is no program {name:?} on this host.");
        return Err(FromInit::NotStarted { missing: true, message });
    };
    let mut command = Command::new(file);
    command.args(&program.command[1..]).env_clear().envs(&program.env);
    command.current_dir(&program.folder).stdin(Stdio::null()).process_group(0);
    match command.spawn() {
        Ok(child) => {
            let pid = child.id();
            // Only a hint to the kernel: a host that refuses it still runs the program.
            let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE);
            Ok(Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX)))
        }
        Err(error) => {
            Err(FromInit::NotStarted { missing: false, message: format!("{name} could not be started: {error}") })
        }
    }
}

struct Init {
    channel: UnixStream,
    buffer: Vec<u8>,
    signals: SignalFd,
    /// Connections that ask for connections.
    listener: UnixListener,
    /// Those that have not said to which port.
    diallers: Vec<UnixStream>,
    ports: Vec<u16>,
    main: Option<Pid>,
    /// The program's status, once it ended.
    status: Option<u8>,
    /// Nothing but this process is left.
    alone: bool,
    /// When to look next whether the first port is open, and how long to pause then.
    look: Option<(Instant, Duration)>,
    /// Set while stopping: when what is left is killed.
    stop_at: Option<Instant>,
}

/// What became ready.
#[derive(Clone, Copy)]
enum Source {
    Channel,
    Signal,
    Listener,
    Dialler(usize),
}

impl Init {
    /// Serves until the program ended. Returning ends this process, and with it the kernel ends all others inside.
    fn serve(&mut self) -> io::Result<u8> {
        loop {
            if let Some(status) = self.over() {
                return Ok(status);
            }
            let ready = self.wait()?;
            let mut answered = Vec::new();
            for source in ready {
                match source {
                    Source::Channel => {
                        if self.read_channel() {
                            // The holder is gone: nobody can reach this sandbox any more.
                            return Ok(NO_STATUS);
                        }
                    }
                    Source::Signal => self.reap(),
                    Source::Listener => self.accept(),
                    Source::Dialler(index) => answered.push(index),
                }
            }
            self.answer(&answered);
            self.look_at_port();
        }
    }

    fn wait(&self) -> io::Result<Vec<Source>> {
        let mut sources: Vec<(Source, BorrowedFd<'_>)> = vec![
            (Source::Channel, self.channel.as_fd()),
            (Source::Signal, self.signals.as_fd()),
            (Source::Listener, self.listener.as_fd()),
        ];
        sources
            .extend(self.diallers.iter().enumerate().map(|(index, stream)| (Source::Dialler(index), stream.as_fd())));
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let next = [self.look.map(|(at, _)| at), self.stop_at].into_iter().flatten().min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, _), _)| *source).collect())
    }

    /// Takes orders; whether the holder is gone.
    fn read_channel(&mut self) -> bool {
        let mut chunk = [0; 1024];
        match rustix::net::recv(&self.channel, &mut chunk, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return true,
            Ok((length, _)) => self.buffer.extend_from_slice(&chunk[..length]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return false,
            Err(_) => return true,
        }
        for order in take_lines(&mut self.buffer) {
            if let ToInit::Stop { grace_ms } = order {
                self.stop(Duration::from_millis(grace_ms));
            }
        }
        false
    }

    /// Asks the program to end. What it started is its own to end; what it leaves is ended by us.
    fn stop(&mut self, grace: Duration) {
        let at = Instant::now() + grace;
        self.stop_at = Some(self.stop_at.map_or(at, |earlier| earlier.min(at)));
        if let Some(pid) = self.main {
            // It may have ended this very moment.
            let _ = kill(pid, Signal::SIGTERM);
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    /// Takes in everything that ended, orphans too.
    fn reap(&mut self) {
        let _ = self.signals.read_signal();
        loop {
            let (pid, code, signal) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, None, Some(signal as i32)),
                Err(Errno::ECHILD) => {
                    self.alone = true;
                    return;
                }
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            if self.main == Some(pid) {
                self.main = None;
                self.look = None;
                let status = code.unwrap_or_else(|| 128 + signal.unwrap_or_default());
                self.status = Some(u8::try_from(status & 0xff).unwrap_or(NO_STATUS));
                self.say(&FromInit::Ended { code, signal });
                self.hurry_leftovers();
            }
        }
    }

    /// Where an end was asked for, what the program left running gets a moment to end in order.
    fn hurry_leftovers(&mut self) {
        if let Some(at) = self.stop_at {
            self.stop_at = Some(at.min(Instant::now() + LEFTOVER_GRACE));
            for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGCONT] {
                let _ = kill(Pid::from_raw(-1), signal);
            }
        }
    }

    /// The status to end with, once it is time.
    fn over(&self) -> Option<u8> {
        let late = self.stop_at.is_some_and(|at| at <= Instant::now());
        match (self.status, self.stop_at) {
            (None, _) => late.then_some(NO_STATUS),
            (Some(status), None) => Some(status),
            (Some(status), Some(_)) => (late || self.alone).then_some(status),
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.diallers.len() < MOST_DIALLERS && stream.set_nonblocking(true).is_ok() {
                self.diallers.push(stream);
            }
        }
    }

    /// Answers those that said which port they want, and lets go of them.
    fn answer(&mut self, indices: &[usize]) {
        for index in indices.iter().rev() {
            let dialler = self.diallers.swap_remove(*index);
            // Whoever went away meanwhile misses nothing.
            let _ = hand_out(&dialler, &self.ports);
        }
    }

    fn look_at_port(&mut self) {
        let (Some((at, pause)), Some(port)) = (self.look, self.ports.first()) else { return };
        let now = Instant::now();
        if at > now {
            return;
        }
        if connect(*port).is_ok_and(|(_, reached)| reached == Reached::Accepting) {
            self.look = None;
            self.say(&FromInit::Listening);
        } else {
            self.look = Some((now + pause, (pause * 5 / 4).min(LAST_LOOK)));
        }
    }

    /// A holder that cannot be told is gone, which shows as the end of the channel.
    fn say(&mut self, event: &FromInit) {
        let _ = (&self.channel).write_all(&line(event));
    }
}

/// Reads the port (two bytes, big-endian) and answers with a byte 0 and a connected socket, or with the error number.
fn hand_out(dialler: &UnixStream, ports: &[u16]) -> io::Result<()> {
    let mut wanted = [0; 2];
    let (length, _) = rustix::net::recv(dialler, &mut wanted, RecvFlags::DONTWAIT)?;
    let port = u16::from_be_bytes(wanted);
    if length != wanted.len() || !ports.contains(&port) {
        return refuse(dialler, rustix::io::Errno::ADDRNOTAVAIL);
    }
    match connect(port) {
        Ok((socket, _)) => {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut extra = SendAncillaryBuffer::new(&mut space);
            let fds = [socket.as_fd()];
            extra.push(SendAncillaryMessage::ScmRights(&fds));
            rustix::net::sendmsg(dialler, &[IoSlice::new(&[0])], &mut extra, SendFlags::NOSIGNAL)?;
            Ok(())
        }
        Err(error) => refuse(dialler, error),
    }
}

fn refuse(mut dialler: &UnixStream, error: rustix::io::Errno) -> io::Result<()> {
    dialler.write_all(&[u8::try_from(error.raw_os_error()).unwrap_or(u8::MAX)])
}

/// Connects to a port of this network: on IPv4, or where only IPv6 is listened on, on that. The connection may still be
/// under way when this returns (`Reached::Queued`), as with a program that is slow to accept.
fn connect(port: u16) -> Result<(OwnedFd, Reached), rustix::io::Errno> {
    try_connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
        .or_else(|error| try_connect(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)).map_err(|_| error))
}

#[derive(Clone, Copy, PartialEq)]
enum Reached {
    Accepting,
    Queued,
}

fn try_connect(address: SocketAddr) -> Result<(OwnedFd, Reached), rustix::io::Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => return Ok((socket, Reached::Accepting)),
        Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    // On loopback the answer is there already, but a socket that does not block learns it only afterwards.
    let settled = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&Timespec::default()))? > 0;
    if !settled {
        return Ok((socket, Reached::Queued));
    }
    rustix::net::sockopt::socket_error(&socket)??;
    Ok((socket, Reached::Accepting))
}
