//! The sandbox itself: bwrap's arguments, and the process that waits inside for the go-ahead.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::MemfdFlags,
    io::FdFlags,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, PidfdFlags},
};
use serde::Deserialize;

use super::filter;
use crate::engine::local::{
    programs,
    wire::{Program, Spec, ToInit, line},
};

/// How long bwrap may take.
const MADE_WITHIN: Duration = Duration::from_secs(10);
/// The uid and gid that the person has inside.
const INNER_ID: u32 = 1000;
/// Folders of the system that programs need, beside `/usr`: links into it on a merged system.
const SYSTEM: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What of `/etc` is no secret and no setting of the host's own business.
const ETC: [&str; 26] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "chromium",
    "chromium.d",
    "dconf",
    "debian_version",
    "default/locale",
    "fonts",
    "gtk-2.0",
    "gtk-3.0",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nanorc",
    "openal",
    "os-release",
    "pcmanfm",
    "ssl/certs",
    "terminfo",
    "vim",
    "X11",
    "xdg",
];

/// A running sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    bwrap: Child,
    /// Readable once bwrap, and with it everything inside, is gone.
    pub(super) gone: OwnedFd,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
    /// To the init process inside.
    pub(super) channel: UnixStream,
    /// Its pid on the host.
    pub(super) inner_pid: i32,
}

impl Sandbox {
    /// Makes the sandbox. Nothing of the session's own runs until [`Sandbox::go`].
    pub(super) fn make(spec: &Spec) -> io::Result<Self> {
        let (channel, inner) = UnixStream::pair()?;
        let (info, info_inner) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut inherited = vec![info_inner];
        let mut command = Command::new(&spec.bwrap);
        command.args(["--info-fd", &inherited[0].as_raw_fd().to_string()]);
        command.args(arguments(spec, &mut inherited)?);
        command.arg("--").arg(programs::OWN_BINARY).arg("sandbox-init");
        command.env_clear().stdin(Stdio::from(OwnedFd::from(inner))).stdout(Stdio::piped()).stderr(Stdio::piped());
        for fd in &inherited {
            rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
        }
        let mut bwrap = command.spawn()?;
        drop(inherited);
        let gone = rustix::process::pidfd_open(Pid::from_child(&bwrap), PidfdFlags::empty())?;
        let stdout = bwrap.stdout.take().map(OwnedFd::from);
        let stderr = bwrap.stderr.take().map(OwnedFd::from);
        for pipe in [&stdout, &stderr].into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let inner_pid = child_pid(File::from(info)).unwrap_or(0);
        Ok(Self { bwrap, gone, stdout, stderr, channel, inner_pid })
    }

    /// Waits until the init process runs, which it does once bwrap has finished. `false`: it is not going to.
    ///
    /// # Errors
    /// Where bwrap takes longer than [`MADE_WITHIN`].
    pub(super) fn is_made(&self) -> io::Result<bool> {
        let limit = Timespec::try_from(MADE_WITHIN).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&self.channel, PollFlags::IN), PollFd::new(&self.gone, PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&limit)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(fds[0].revents() == PollFlags::IN),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets the program start, and hands in the socket on which it can be dialled.
    pub(super) fn go(&mut self, program: Program, dial: &UnixListener) -> io::Result<()> {
        let text = line(&ToInit::Start(program));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut extra = SendAncillaryBuffer::new(&mut space);
        let fds = [dial.as_fd()];
        extra.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = rustix::net::sendmsg(&self.channel, &[IoSlice::new(&text)], &mut extra, SendFlags::NOSIGNAL)?;
        (&self.channel).write_all(&text[sent..])
    }

    /// Asks the init process to end everything inside.
    pub(super) fn stop(&self, grace_ms: u64) -> io::Result<()> {
        (&self.channel).write_all(&line(&ToInit::Stop { grace_ms }))
    }

    /// Ends everything inside at once.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself meanwhile; then there is nothing to kill.
        let _ = self.bwrap.kill();
    }

    /// Takes bwrap's status once it is gone.
    pub(super) fn reap(&mut self) {
        let _ = self.bwrap.wait();
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// bwrap says it as soon as the namespaces are there. `None`: it failed before, and says why on its stderr.
fn child_pid(mut info: File) -> Option<i32> {
    let mut text = String::new();
    info.read_to_string(&mut text).ok()?;
    serde_json::from_str::<Info>(&text).ok().map(|info| info.child_pid)
}

/// bwrap's arguments; files that it is to copy inside are appended to `inherited`.
fn arguments(spec: &Spec, inherited: &mut Vec<OwnedFd>) -> io::Result<Vec<OsString>> {
    let workload = &spec.workload;
    let mut bwrap = Arguments(Vec::with_capacity(256));
    bwrap.flags(&["--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]);
    bwrap.flags(&["--cap-drop", "ALL", "--hostname", &workload.template]);
    bwrap.flags(&["--uid", &INNER_ID.to_string(), "--gid", &INNER_ID.to_string()]);
    bwrap.flags(&["--ro-bind", "/usr", "/usr"]);
    for name in SYSTEM {
        bwrap.system(name);
    }
    for name in ETC {
        bwrap.pair("--ro-bind-try", format!("/etc/{name}"), format!("/etc/{name}"));
    }
    let filter = filter::file()?;
    bwrap.flags(&["--seccomp", &filter.as_raw_fd().to_string()]);
    inherited.push(filter);
    for (name, text) in made_up_etc(spec) {
        let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?;
        File::from(file.try_clone()?).write_all(text.as_bytes())?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        bwrap.flags(&["--perms", "0444"]);
        bwrap.pair("--file", file.as_raw_fd().to_string(), format!("/etc/{name}"));
        inherited.push(file);
    }
    // Held in memory, and counted there: no larger than the memory that the session may use.
    let size = if workload.limits.memory_bytes > 0 { workload.limits.memory_bytes } else { 1 << 30 };
    bwrap.flags(&[
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        &size.to_string(),
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
    ]);
    bwrap.flags(&[
        "--perms",
        "0700",
        "--tmpfs",
        programs::RUNTIME_FOLDER,
        "--dir",
        "/var",
        "--symlink",
        "/tmp",
        "/var/tmp",
    ]);
    if let Some(tools) = &spec.tools {
        bwrap.pair("--ro-bind-try", tools, tools);
    }
    bwrap.pair("--ro-bind", &spec.program, programs::OWN_BINARY);
    bwrap.pair("--bind", &spec.home, &workload.home_path);
    bwrap.flags(&["--remount-ro", "/", "--chdir", &workload.home_path]);
    Ok(bwrap.0)
}

/// Files of `/etc` that speak of the sandbox and not of the host.
fn made_up_etc(spec: &Spec) -> [(&'static str, String); 7] {
    let workload = &spec.workload;
    let (user, host, home) = (&workload.user, &workload.template, &workload.home_path);
    [
        (
            "passwd",
            format!(
                "{user}:x:{INNER_ID}:{INNER_ID}:{user}:{home}:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n"
            ),
        ),
        ("group", format!("{user}:x:{INNER_ID}:\nnogroup:x:65534:\n")),
        ("hosts", format!("127.0.0.1 localhost {host}\n::1 localhost\n")),
        ("hostname", format!("{host}\n")),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".into()),
        ("resolv.conf", super::network::resolv_conf(workload.network)),
        ("machine-id", format!("{}\n", crate::engine::local::layout::digest(workload.session.0.as_bytes(), 16))),
    ]
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(OsString::from));
    }

    fn pair(&mut self, flag: &str, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) {
        self.0.extend([OsString::from(flag), from.as_ref().to_owned(), to.as_ref().to_owned()]);
    }

    /// `/bin` and the like: the same link as on the host, or the folder itself on a system that is not merged.
    fn system(&mut self, name: &str) {
        let path = Path::new("/").join(name);
        match std::fs::read_link(&path) {
            Ok(target) => self.pair("--symlink", target, path),
            Err(_) => self.pair("--ro-bind-try", &path, &path),
        }
    }
}
