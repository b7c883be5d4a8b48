//! Facts about this host.

use std::{fs, io, path::Path};

/// The boot the host is in; another after each restart.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The host's name, shown as the node.
pub(super) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Start of a process in clock ticks since the boot: a pid that was given again has another.
pub(super) fn start_time(pid: i32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the 20th field after it is the start.
    let field = text.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19));
    field.and_then(|text| text.parse().ok()).ok_or_else(|| io::Error::other("unreadable /proc/{pid}/stat"))
}

/// How many processes of a cgroup were killed for want of memory: the line `oom_kill N` of `memory.events` (v2) or
/// `memory.oom_control` (v1). 0 if that cannot be read.
pub(super) fn oom_kills(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_started_later_has_a_start_time_that_is_not_earlier() {
        let own = start_time(i32::try_from(std::process::id()).unwrap()).unwrap();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let later = start_time(i32::try_from(child.id()).unwrap()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(own <= later);
        assert!(!boot_id().unwrap().is_empty());
    }

    #[test]
    fn oom_kills_are_counted_in_both_versions_of_cgroups() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        fs::write(&file, "low 0\noom 2\noom_kill 2\noom_group_kill 0\n").unwrap();
        assert_eq!(oom_kills(&file), 2);
        fs::write(&file, "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n").unwrap();
        assert_eq!(oom_kills(&file), 5);
        assert_eq!(oom_kills(&folder.path().join("none")), 0);
    }
}
