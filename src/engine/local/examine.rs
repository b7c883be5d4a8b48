//! Whether this host lets sandboxes run, and with what: looked at without leaving anything behind.

use std::{
    fs,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags},
};

use super::{
    Options,
    limits::{self, Enforcement},
    programs,
};
use crate::{crd::Requirement, domain::host::Finding};

/// An empty sandbox is there in some milliseconds; one that takes this long will not come.
const SANDBOX_WITHIN: Duration = Duration::from_secs(10);
/// Switches of the kernel that keep ordinary users from making namespaces: the file, the value that does, what to do.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "give /usr/bin/bwrap an AppArmor profile that allows `userns`, as docs/guides/operators.md shows, or \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

/// What sandboxes need of this host: bubblewrap and namespaces, limits, a way to the network.
#[must_use]
pub fn examine(options: &Options) -> Vec<Finding> {
    vec![sandbox(options), enforcement(options), network(options)]
}

/// Those of `requires` that sessions would not find on this host.
#[must_use]
pub fn missing(options: &Options, requires: &[Requirement]) -> Vec<Requirement> {
    programs::missing(requires, Some(&options.tools_dir))
}

fn sandbox(options: &Options) -> Finding {
    const SUBJECT: &str = "sandbox";
    let Some(bwrap) = &options.bwrap else {
        return Finding::broken(
            SUBJECT,
            "bubblewrap is not installed: no session can start.",
            "apt-get install bubblewrap",
        );
    };
    match empty_sandbox(bwrap, options.uid_base) {
        Ok(()) => Finding::good(SUBJECT, "A sandbox with namespaces of its own can be made."),
        Err(why) => {
            let switch = SWITCHES.iter().find(|(file, value, _)| read(file).is_some_and(|text| text == *value));
            let (cause, remedy) = match switch {
                Some((file, value, remedy)) => (format!(" ({file} is {value})"), *remedy),
                None => {
                    (String::new(), "let ordinary users make user namespaces; in a container, run it with the right to")
                }
            };
            Finding::broken(SUBJECT, format!("bubblewrap cannot make a sandbox{cause}: {why}."), remedy)
        }
    }
}

/// Makes a sandbox as a session's would be made, by the uid that would make it, and lets it end.
fn empty_sandbox(bwrap: &Path, uid_base: u32) -> Result<(), String> {
    let mut command = Command::new(bwrap);
    command.args(["--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]);
    command.args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true"]);
    command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if nix::unistd::geteuid().is_root() {
        command.uid(uid_base).gid(uid_base);
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if !ends_within(&child, SANDBOX_WITHIN).map_err(|error| error.to_string())? {
        // It may have ended this very moment.
        let _ = child.kill();
        let _ = child.wait();
        return Err("it did not end in time".into());
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        // What cannot be read is not said.
        let _ = stderr.read_to_string(&mut said);
    }
    Err(said.trim().trim_end_matches('.').to_owned())
}

fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let gone = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit = Timespec::try_from(limit).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(poll(&mut [PollFd::new(&gone, PollFlags::IN)], Some(&limit))? > 0)
}

fn enforcement(options: &Options) -> Finding {
    const SUBJECT: &str = "limits";
    let found =
        if options.cgroups { limits::possible() } else { Enforcement::Missing("cgroups are switched off".into()) };
    match found {
        Enforcement::Unified(_) => {
            Finding::good(SUBJECT, "CPU, memory and processes are limited by cgroups (version 2).")
        }
        Enforcement::Separate(_) => {
            Finding::good(SUBJECT, "CPU, memory and processes are limited by cgroups (version 1).")
        }
        Enforcement::Missing(why) => Finding::limited(
            SUBJECT,
            format!("Memory is watched, CPU and processes are not limited: {why}."),
            "run the server as a service with Delegate=yes; by hand: systemd-run --user --scope -p Delegate=yes streamspace serve",
        ),
    }
}

fn network(options: &Options) -> Finding {
    const SUBJECT: &str = "network";
    if options.slirp.is_none() {
        let message = "slirp4netns is not installed: sessions run without a network.";
        return Finding::limited(SUBJECT, message, "apt-get install slirp4netns");
    }
    let usable = rustix::fs::access("/dev/net/tun", rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK);
    match usable {
        Ok(()) => Finding::good(SUBJECT, "Templates with the capability Network reach the outside."),
        Err(error) => Finding::limited(
            SUBJECT,
            format!("/dev/net/tun cannot be used ({error}): sessions run without a network."),
            "modprobe tun; in a container, give it the device /dev/net/tun",
        ),
    }
}

fn read(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}
