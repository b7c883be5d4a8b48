//! `streamspace desktop`: a screen that is seen through VNC, with a window manager and one program on it. The app of
//! the templates `desktop` and `browser`.
//!
//! It runs inside a session (a sandbox or a pod) and knows nothing of the server. It starts everything in its order,
//! takes in what ends, and on SIGTERM lets the programs end before the screen goes, so that none dies of a lost screen
//! with something unsaved. No shell is involved: what a person chose at the launch stays one argument.

mod panel;
mod screen;

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use screen::Screen;

/// How long programs may take to end before the screen goes; the engine's own grace is longer.
const GRACE: Duration = Duration::from_secs(7);
/// A program that is kept and ends sooner is started again only after a pause.
const SOON: Duration = Duration::from_secs(2);

/// What is to be shown, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// TCP port of the screen.
    pub port: u16,
    /// Whether other hosts may connect, as in a pod, where the gateway does.
    pub public: bool,
    /// Size at the start, such as `1280x800`; viewers change it.
    pub geometry: String,
    /// Name that viewers see.
    pub name: String,
    /// The window manager, or a session that brings its own; the desktop ends with it.
    pub manager: String,
    /// Whether windows fill the screen. Only Openbox is told.
    pub maximized: bool,
    /// Start the program again when it ends; otherwise the desktop lives on without it.
    pub keep: bool,
    /// Whether a panel and a file manager's desktop are shown, where they are installed.
    pub panel: bool,
    /// Files below the home that a program leaves when it is killed, and stumbles over.
    pub stale: Vec<PathBuf>,
    /// Folders below the home that the program expects.
    pub folder: Vec<PathBuf>,
    /// The program and its arguments.
    pub program: Vec<String>,
}

/// Runs the desktop until its window manager or its screen ends, or until SIGTERM.
///
/// # Errors
/// A screen or a window manager that cannot be started; the message names the program.
pub fn run(options: &Options, home: &Path) -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGTERM);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    for file in &options.stale {
        // There is none, as a rule.
        let _ = fs::remove_file(home.join(file));
    }
    for folder in &options.folder {
        fs::create_dir_all(home.join(folder))?;
    }
    let screen = Screen::start(options)?;
    let mut desktop =
        Desktop { options, signals, screen, bus: None, manager: Pid::from_raw(0), others: Vec::new(), program: None };
    let result = desktop.furnish().and_then(|()| desktop.live());
    desktop.close();
    result
}

struct Desktop<'a> {
    options: &'a Options,
    signals: SignalFd,
    screen: Screen,
    /// Address of the session's message bus, where there is one.
    bus: Option<String>,
    manager: Pid,
    others: Vec<Pid>,
    program: Option<Started>,
}

struct Started {
    pid: Pid,
    at: Instant,
}

impl Desktop<'_> {
    /// Starts what belongs to a desktop, then the program.
    fn furnish(&mut self) -> io::Result<()> {
        self.bus = start_bus(&mut self.others);
        if let Some(pid) = self.optional(&["xsetroot", "-solid", "#26324a"]) {
            self.others.push(pid);
        }
        self.manager = self.start(&self.manager_command())?;
        if self.options.panel {
            for mut command in panel::commands(&std::env::temp_dir(), &self.options.program)? {
                // A desktop can do without either.
                self.others.extend(self.spawn(&mut command).ok());
            }
        }
        self.start_program()
    }

    /// The window manager with its arguments.
    fn manager_command(&self) -> Vec<String> {
        let mut command = vec![self.options.manager.clone()];
        if self.options.maximized && self.options.manager == "openbox" {
            // A desktop without its window manager's settings is better than none.
            if let Some(settings) = maximizing() {
                command.extend(["--config-file".to_owned(), settings.display().to_string()]);
            }
        }
        command
    }

    fn start_program(&mut self) -> io::Result<()> {
        if !self.options.program.is_empty() {
            let pid = self.start(&self.options.program)?;
            self.program = Some(Started { pid, at: Instant::now() });
        }
        Ok(())
    }

    /// Starts something that a desktop can do without.
    fn optional(&self, command: &[&str]) -> Option<Pid> {
        self.start(&command.iter().map(ToString::to_string).collect::<Vec<_>>()).ok()
    }

    fn start(&self, command: &[String]) -> io::Result<Pid> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        self.spawn(Command::new(program).args(arguments))
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Pid> {
        command.env("DISPLAY", screen::DISPLAY).stdin(Stdio::null()).process_group(0);
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        }
        spawn(command)
    }

    /// Waits until the window manager or the screen ended, or somebody asks for the end.
    fn live(&mut self) -> io::Result<()> {
        let mut again_at = None;
        loop {
            if self.wait(again_at)? {
                return Ok(());
            }
            for pid in ended() {
                if pid == self.screen.pid || pid == self.manager {
                    return Ok(());
                }
                self.others.retain(|other| *other != pid);
                if let Some(ended) = self.program.take_if(|program| program.pid == pid) {
                    let pause = if ended.at.elapsed() < SOON { SOON } else { Duration::ZERO };
                    again_at = self.options.keep.then(|| Instant::now() + pause);
                }
            }
            if again_at.is_some_and(|at| at <= Instant::now()) {
                again_at = None;
                self.start_program()?;
            }
        }
    }

    /// Waits for a signal or until `until`; whether the end is asked for.
    fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let left = until.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut asked = false;
        while let Some(signal) = self.signals.read_signal()? {
            asked |= i32::try_from(signal.ssi_signo).is_ok_and(|number| number == Signal::SIGTERM as i32);
        }
        Ok(asked)
    }

    /// First the program, then everything else on the screen, then the screen.
    fn close(&mut self) {
        let deadline = Instant::now() + GRACE;
        let program = self.program.take().map(|program| program.pid);
        self.end(program.into_iter().collect(), deadline);
        let mut rest = std::mem::take(&mut self.others);
        rest.push(self.manager);
        self.end(rest.into_iter().filter(|pid| pid.as_raw() > 0).collect(), deadline);
        self.end(vec![self.screen.pid], deadline + SOON);
    }

    /// Asks processes to end and waits for them.
    fn end(&self, mut pids: Vec<Pid>, deadline: Instant) {
        for pid in &pids {
            // It may have ended by itself.
            let _ = kill(*pid, Signal::SIGTERM);
        }
        while !pids.is_empty() && Instant::now() < deadline {
            for ended in ended() {
                pids.retain(|pid| *pid != ended);
            }
            if !pids.is_empty() && self.wait(Some(deadline)).is_err() {
                return;
            }
        }
    }
}

/// Openbox' own settings, with the rule that windows fill the screen, in a file. Dialogs keep their size.
fn maximizing() -> Option<PathBuf> {
    const RULE: &str = "<application type=\"normal\"><maximized>yes</maximized></application>\n";
    let own = fs::read_to_string("/etc/xdg/openbox/rc.xml").ok()?;
    let end = own.rfind("</applications>")?;
    let path = std::env::temp_dir().join("openbox.xml");
    fs::write(&path, format!("{}{RULE}{}", &own[..end], &own[end..])).ok()?;
    Some(path)
}

/// A message bus for programs that expect one. `None`: none is installed, and they have to do without.
fn start_bus(others: &mut Vec<Pid>) -> Option<String> {
    let folder = std::env::temp_dir().join("bus");
    let address = format!("unix:path={}", folder.display());
    let mut command = Command::new("dbus-daemon");
    command.args(["--session", "--nofork", "--nopidfile", "--nosyslog", "--address", &address]).stdin(Stdio::null());
    others.push(spawn(&mut command).ok()?);
    Some(address)
}

/// Starts a process without the signals that this one waits for being blocked in it.
fn spawn(command: &mut Command) -> io::Result<Pid> {
    let mut old = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), Some(&mut old))?;
    let child = command.spawn();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&old), None)?;
    let child = child.map_err(|error| {
        io::Error::new(error.kind(), format!("{} could not be started: {error}", command.get_program().display()))
    })?;
    Ok(Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)))
}

/// Takes in every child that ended.
fn ended() -> Vec<Pid> {
    let mut pids = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => pids.push(pid),
            Err(Errno::EINTR) => {}
            _ => return pids,
        }
    }
}

/// Makes a folder that every user may put files into, as X servers expect one.
fn shared_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o1777))
}
