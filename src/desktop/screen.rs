//! The screen: an X server that shows itself through VNC.

use std::{
    io,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::Pid;
use rustix::event::{Timespec, poll};

use super::{Options, ended, shared_folder, spawn};

/// The display; the only one of the session.
pub(super) const DISPLAY: &str = ":0";
/// Folder of X servers' sockets, and the socket of [`DISPLAY`].
const SOCKETS: &str = "/tmp/.X11-unix";
const SOCKET: &str = "/tmp/.X11-unix/X0";
const LOCK: &str = "/tmp/.X0-lock";
/// How long the X server may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Pause between two looks whether it is there.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Screen {
    pub(super) pid: Pid,
}

impl Screen {
    /// Starts the X server and waits until programs can connect.
    pub(super) fn start(options: &Options) -> io::Result<Self> {
        // Only root's X server makes it itself.
        shared_folder(Path::new(SOCKETS))?;
        for left in [SOCKET, LOCK] {
            let _ = std::fs::remove_file(left);
        }
        let mut command = Command::new("Xvnc");
        command
            .args([DISPLAY, "-rfbport", &options.port.to_string(), "-geometry", &options.geometry, "-depth", "24"])
            .args(["-desktop", &options.name, if options.public { "-localhost=0" } else { "-localhost=1" }])
            // Who may connect is the gateway's business: a second password would only stand in the way.
            .args(["-SecurityTypes", "None", "-AlwaysShared", "-AcceptSetDesktopSize", "-nolisten", "tcp"])
            .stdin(Stdio::null());
        let screen = Self { pid: spawn(&mut command)? };
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(SOCKET).is_err() {
            if ended().contains(&screen.pid) {
                return Err(io::Error::other("Xvnc ended at once"));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "Xvnc did not open its display in time"));
            }
            let pause = Timespec::try_from(LOOK).map_err(|_| io::ErrorKind::InvalidInput)?;
            poll(&mut [], Some(&pause))?;
        }
        Ok(screen)
    }
}
