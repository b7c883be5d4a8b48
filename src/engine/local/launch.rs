//! Starting a holder: everything that the server prepares for it.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::fs::FlockOperation;
use tokio::process::{Child, Command};

use super::{
    Inner, files, homes,
    limits::{Enforcement, Group},
    link::Link,
    programs,
    wire::{Spec, VERSION, Verdict},
};
use crate::{
    crd::Reason,
    engine::{Home, SessionId, Workload},
};

/// Folders that others may pass through and not list.
const PASSAGE: u32 = 0o711;

/// A holder that was started.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) spec: Spec,
    pub(super) child: Child,
    pub(super) link: Link,
    /// Whether the home was made for this start.
    pub(super) fresh_home: bool,
}

/// Prepares everything and starts the holder. Blocks for some milliseconds.
pub(super) fn launch(inner: &Inner, workload: &Workload) -> Result<Launched, Verdict> {
    if workload.command.is_empty() {
        let message =
            "The template runs from a container image alone: it names no program of this machine (local.command)";
        return Err(Verdict::new(Reason::ProgramMissing, message));
    }
    let missing = programs::missing(&workload.requires, Some(&inner.options.tools_dir));
    if let Some(first) = missing.first() {
        let message = format!("{} is missing on this host: {}", first.program, first.install);
        return Err(Verdict::new(Reason::ProgramMissing, message));
    }
    let home = home(inner, workload);
    let fresh_home = !home.exists();
    let spec = prepare(inner, workload, home)?;
    let started = start(inner, &spec).map_err(|error| verdict(&error, "The sandbox could not be started"));
    match started {
        Ok((child, link)) => Ok(Launched { spec, child, link, fresh_home }),
        Err(verdict) => {
            Group::of(&spec.cgroups).remove();
            Err(verdict)
        }
    }
}

/// The home, outside.
fn home(inner: &Inner, workload: &Workload) -> PathBuf {
    match &workload.home {
        Home::Persistent(name) => inner.layout.homes().join(name),
        Home::Ephemeral => inner.layout.ephemeral_home(&workload.session),
    }
}

fn prepare(inner: &Inner, workload: &Workload, home: PathBuf) -> Result<Spec, Verdict> {
    let (layout, session) = (&inner.layout, &workload.session);
    let unknown = |what: &'static str| move |error: io::Error| verdict(&error, what);
    let bwrap = inner.options.bwrap.clone().ok_or_else(|| {
        Verdict::new(Reason::ProgramMissing, "bwrap is missing on this host: apt-get install bubblewrap")
    })?;
    let uid = inner.uid(&workload.user).map_err(unknown("The person has no uid on this host"))?;
    let record = layout.record(session);
    files::folder(&layout.sandbox(session), PASSAGE).map_err(unknown("The session's folder could not be made"))?;
    homes::make(&record, uid).map_err(unknown("The session's folder could not be made"))?;
    inner.outputs.made(session, &record);
    homes::make(&layout.sockets(session), uid).map_err(unknown("The folder of sockets could not be made"))?;
    homes::make(&home, uid).map_err(|error| home_verdict(&error))?;
    let (group, limits_missing) = limits(inner, workload)?;
    Ok(Spec {
        version: VERSION,
        workload: workload.clone(),
        boot: inner.boot.clone(),
        uid,
        cgroups: group.entries(),
        oom_count: group.oom_count(),
        limits_missing,
        program: inner.program.clone(),
        bwrap,
        slirp: inner.options.slirp.clone(),
        record,
        sockets: layout.sockets(session),
        home,
        largest_file: inner.options.home_limit_bytes,
        // Programs may know where they lie (a virtual environment does), so a link stands for what it leads to.
        tools: inner.options.tools_dir.canonicalize().ok().filter(|tools| tools.is_dir()),
        port_deadline_ms: u64::try_from(inner.options.port_deadline.as_millis()).unwrap_or(u64::MAX),
        refused_networks: inner.options.refused_networks.iter().map(ToString::to_string).collect(),
        clock_ahead: inner.clock.ahead(),
    })
}

/// The session's cgroup; with it, why its limits are not enforced where they are not.
fn limits(inner: &Inner, workload: &Workload) -> Result<(Group, Option<String>), Verdict> {
    let missing = match &inner.enforcement {
        Enforcement::Missing(why) => Some(why.clone()),
        Enforcement::Separate(_) | Enforcement::Unified(_) => None,
    };
    let group = inner.enforcement.make(
        &inner.layout.short_name(&workload.session),
        workload.limits,
        inner.options.process_limit,
    );
    Ok((group.map_err(|error| verdict(&error, "The session's limits could not be set"))?, missing))
}

/// The lock on `spec.json` passes to the holder with the file itself, so from the first moment on there is no time at
/// which a holder lives and its lock is free.
fn start(inner: &Inner, spec: &Spec) -> io::Result<(Child, Link)> {
    let path = inner.layout.spec(&spec.workload.session);
    files::write(&path, spec, files::Durable::No)?;
    let lock = File::open(&path)?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let (stream, theirs) = UnixStream::pair()?;
    stream.set_nonblocking(true)?;
    let trouble = File::create(inner.layout.sandbox(&spec.workload.session).join(TROUBLE))?;
    let child = Command::new(&inner.program)
        .arg("sandbox")
        .env_clear()
        .stdin(Stdio::from(lock))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::from(trouble))
        .spawn()?;
    Ok((child, Link::new(tokio::net::UnixStream::from_std(stream)?)))
}

/// What a holder says that dies before it can write down why.
pub(super) const TROUBLE: &str = "trouble.log";

/// Whether a holder of this session is alive.
pub(super) fn is_held(spec: &Path) -> io::Result<bool> {
    let file = File::open(spec)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::AGAIN) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Makes sure that the session is known after a crash of the host. Not waited for by the start.
pub(super) fn persist(inner: &Inner, session: &SessionId) -> io::Result<()> {
    let path = inner.layout.spec(session);
    File::open(&path)?.sync_all()?;
    files::sync_folder_of(&path)?;
    files::sync_folder_of(&inner.layout.sandbox(session))
}

fn verdict(error: &io::Error, what: &str) -> Verdict {
    let reason = if files::is_full(error) { Reason::DiskFull } else { Reason::Unknown };
    Verdict::new(reason, format!("{what}: {error}."))
}

fn home_verdict(error: &io::Error) -> Verdict {
    let reason = if files::is_full(error) { Reason::DiskFull } else { Reason::HomeNotWritable };
    Verdict::new(reason, format!("The home could not be made: {error}."))
}

/// A copy of this binary where the people's uids can run it, whatever folder it was started from, and where it stays
/// as it is while sessions of it run, whatever an upgrade puts in its place.
pub(super) fn install_binary(source: &Path, folder: &Path) -> io::Result<PathBuf> {
    let found = fs::metadata(source)?;
    let identity = {
        use std::os::unix::fs::MetadataExt;
        format!("{}-{}-{}-{}", found.dev(), found.ino(), found.size(), found.mtime_nsec())
    };
    files::folder(folder, 0o755)?;
    let place = folder.join(super::layout::digest(identity.as_bytes(), 8));
    let target = place.join("streamspace");
    if fs::metadata(&target).is_ok_and(|there| there.len() == found.len()) {
        return Ok(target);
    }
    files::folder(&place, 0o755)?;
    let draft = place.join("streamspace.draft");
    let _ = fs::remove_file(&draft);
    let readable = found.permissions().mode() & 0o555 == 0o555;
    if !readable || fs::hard_link(source, &draft).is_err() {
        fs::copy(source, &draft)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
    }
    fs::rename(&draft, &target)?;
    Ok(target)
}
