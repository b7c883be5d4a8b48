//! The holder's first steps: away from the server's terminal and into its own limits and uid.

use std::{fs, io};

use nix::{
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        stat::{Mode, umask},
    },
    unistd::{Gid, Uid, chdir, setgid, setgroups, setsid, setuid},
};

use crate::engine::local::wire::Spec;

/// Most open files of a process of a session.
const OPEN_FILES: u64 = 65_536;

/// Leaves everything behind that belongs to the server. After this the holder has no right that a session must not have.
pub(super) fn enter(spec: &Spec) -> io::Result<()> {
    // A holder started by hand leads a process group already, then there is nothing to leave.
    let _ = setsid();
    umask(Mode::from_bits_truncate(0o077));
    chdir("/")?;
    for file in &spec.cgroups {
        fs::write(file, "0").map_err(|error| with(&error, &format!("{} cannot be entered", file.display())))?;
    }
    limit(Resource::RLIMIT_CORE, 0)?;
    limit(Resource::RLIMIT_NOFILE, OPEN_FILES)?;
    if spec.largest_file > 0 {
        limit(Resource::RLIMIT_FSIZE, spec.largest_file)?;
    }
    if let Some(uid) = spec.uid {
        setgroups(&[])?;
        setgid(Gid::from_raw(uid))?;
        setuid(Uid::from_raw(uid))?;
    }
    // The sandboxed programs have this uid too: none of them may trace or read a holder.
    prctl::set_dumpable(false)?;
    Ok(())
}

/// Sets both bounds, never above what there is.
fn limit(resource: Resource, wanted: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let bound = wanted.min(hard);
    setrlimit(resource, bound, bound)
}

fn with(error: &io::Error, text: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{text}: {error}"))
}
