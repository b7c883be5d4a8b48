//! Limits by cgroups, and usage read from them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::engine::{Limits, Usage};

/// The folder of all groups goes with the last group in it; nobody may make one in it at that moment.
static FOLDERS: Mutex<()> = Mutex::new(());

/// Length of a scheduling period, in microseconds; the kernel's own default.
const PERIOD_MICROS: u64 = 100_000;
/// Controllers without which limits do not count as enforced.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];

/// How limits are enforced on this host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Enforcement {
    /// Version 1: a hierarchy for each controller; `(controller, folder)`.
    Separate(Vec<(&'static str, PathBuf)>),
    /// Version 2: one hierarchy.
    Unified(PathBuf),
    /// Not at all, and why.
    Missing(String),
}

/// The cgroup of one session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// Its folders: one for version 2, one for each controller for version 1.
    pub(super) folders: Vec<PathBuf>,
}

impl Enforcement {
    /// Finds out what this process may do; `name` is the folder that will hold the groups of its sessions.
    pub(super) fn detect(name: &str) -> Self {
        let own = Own::read();
        let found = own.unified().and_then(|folder| divide(folder, name));
        let found = found.or_else(|first| own.separate(name).map_err(|second| format!("{first}; {second}")));
        let found = found.unwrap_or_else(Self::Missing);
        // Made to see whether it can be; it is made again for the first session.
        for root in found.roots() {
            let _ = fs::remove_dir(root);
        }
        found
    }

    fn roots(&self) -> Vec<&Path> {
        match self {
            Self::Separate(roots) => roots.iter().map(|(_, root)| root.as_path()).collect(),
            Self::Unified(root) => vec![root],
            Self::Missing(_) => Vec::new(),
        }
    }

    /// Makes the group of a session, empty, with its limits in force; `processes`: how many it may have.
    pub(super) fn make(&self, name: &str, limits: Limits, processes: u64) -> io::Result<Group> {
        let _folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let group = match self {
            Self::Missing(_) => return Ok(Group::default()),
            Self::Unified(root) => {
                open_root(root)?;
                Group { folders: vec![root.join(name)] }
            }
            Self::Separate(roots) => Group { folders: roots.iter().map(|(_, root)| root.join(name)).collect() },
        };
        for folder in &group.folders {
            fs::create_dir_all(folder)?;
        }
        match self {
            Self::Missing(_) => {}
            Self::Unified(root) => limit_unified(&root.join(name), limits, processes)?,
            Self::Separate(roots) => {
                for (controller, root) in roots {
                    limit_separate(controller, &root.join(name), limits, processes)?;
                }
            }
        }
        Ok(group)
    }
}

/// What [`Enforcement::detect`] would find, without dividing the group that this process is in.
pub(super) fn possible() -> Enforcement {
    let own = Own::read();
    match own.unified() {
        Ok(folder) => Enforcement::Unified(folder.to_owned()),
        // A trial group is made and removed again: that leaves the group of this process as it is.
        Err(first) => match own.separate(&format!("streamspace-trial-{}", std::process::id())) {
            Ok(found) => {
                for root in found.roots() {
                    let _ = fs::remove_dir(root);
                }
                found
            }
            Err(second) => Enforcement::Missing(format!("{first}; {second}")),
        },
    }
}

/// Makes the folder of all groups, if need be, and has it hand its controllers on.
fn open_root(root: &Path) -> io::Result<()> {
    if root.exists() {
        return Ok(());
    }
    fs::create_dir(root)?;
    fs::write(root.join("cgroup.subtree_control"), controllers())
}

fn controllers() -> String {
    NEEDED.map(|controller| format!("+{controller}")).join(" ")
}

fn limit_unified(folder: &Path, limits: Limits, processes: u64) -> io::Result<()> {
    fs::write(folder.join("pids.max"), processes.to_string())?;
    if limits.memory_bytes > 0 {
        fs::write(folder.join("memory.max"), limits.memory_bytes.to_string())?;
        // Absent on kernels without swap.
        let _ = fs::write(folder.join("memory.swap.max"), "0");
    }
    if limits.cpu_millicores > 0 {
        fs::write(folder.join("cpu.max"), format!("{} {PERIOD_MICROS}", quota(limits)))?;
    }
    Ok(())
}

fn limit_separate(controller: &str, folder: &Path, limits: Limits, processes: u64) -> io::Result<()> {
    match controller {
        "memory" if limits.memory_bytes > 0 => {
            fs::write(folder.join("memory.limit_in_bytes"), limits.memory_bytes.to_string())?;
            // Absent on kernels that do not account for swap.
            let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), limits.memory_bytes.to_string());
            Ok(())
        }
        "cpu" if limits.cpu_millicores > 0 => {
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD_MICROS.to_string())?;
            fs::write(folder.join("cpu.cfs_quota_us"), quota(limits).to_string())
        }
        "pids" => fs::write(folder.join("pids.max"), processes.to_string()),
        _ => Ok(()),
    }
}

/// Microseconds of processor time a period; the kernel refuses less than one millisecond.
fn quota(limits: Limits) -> u64 {
    (limits.cpu_millicores * PERIOD_MICROS / 1000).max(1000)
}

impl Group {
    /// The group that has these files `cgroup.procs`.
    pub(super) fn of(entries: &[PathBuf]) -> Self {
        Self { folders: entries.iter().filter_map(|file| file.parent().map(Path::to_owned)).collect() }
    }

    /// Files to write a pid into.
    pub(super) fn entries(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| folder.join("cgroup.procs")).collect()
    }

    /// The file that counts processes killed for want of memory.
    pub(super) fn oom_count(&self) -> Option<PathBuf> {
        let files = self.folders.iter().flat_map(|f| [f.join("memory.events"), f.join("memory.oom_control")]);
        files.into_iter().find(|file| file.exists())
    }

    /// What the session uses. `None` where there is no group.
    pub(super) fn usage(&self) -> Option<Usage> {
        let mut usage = Usage::default();
        let mut memory = None;
        for folder in &self.folders {
            let number =
                |name: &str| fs::read_to_string(folder.join(name)).ok().and_then(|t| t.trim().parse::<u64>().ok());
            let field = |file: &str, key: &str| field(&fs::read_to_string(folder.join(file)).ok()?, key);
            if let Some(bytes) = number("memory.current").or_else(|| number("memory.usage_in_bytes")) {
                // What the kernel would give back at once is no use of the session's.
                let cache =
                    field("memory.stat", "total_inactive_file").or_else(|| field("memory.stat", "inactive_file"));
                memory = Some(bytes.saturating_sub(cache.unwrap_or(0)));
            }
            if let Some(count) = number("pids.current") {
                usage.processes = u32::try_from(count).unwrap_or(u32::MAX);
            }
            if let Some(micros) =
                field("cpu.stat", "usage_usec").or_else(|| number("cpuacct.usage").map(|nanos| nanos / 1000))
            {
                usage.cpu_micros = micros;
            }
        }
        usage.memory_bytes = memory?;
        Some(usage)
    }

    /// Ends whatever is still in the group.
    pub(super) fn kill(&self) {
        for folder in &self.folders {
            if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|line| line.parse().ok()) {
                // It may be gone by now.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Removes the group, and the folder of all groups with the last of them. Whether nothing of it is left; it cannot
    /// be removed while a process is in it.
    pub(super) fn remove(&self) -> bool {
        let _folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = true;
        for folder in &self.folders {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => all = false,
                // Refused while there are other groups.
                _ => drop(folder.parent().map(fs::remove_dir)),
            }
        }
        all
    }
}

/// The number after `key` in a file of lines `key number`.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Where this process is in each hierarchy.
#[derive(Debug, Default)]
struct Own {
    unified: Option<PathBuf>,
    separate: Vec<(String, PathBuf)>,
}

impl Own {
    fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"))
    }

    /// `mounts`: `/proc/self/mountinfo`; `groups`: `/proc/self/cgroup`.
    fn parse(mounts: &str, groups: &str) -> Self {
        let mut own = Self::default();
        let path_of = |controller: &str| {
            groups.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':');
                let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
                names.split(',').any(|name| name == controller).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        for line in mounts.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
            let (Some(root), Some(point), Some(kind)) = (left.get(3), left.get(4), right.first()) else { continue };
            // In a namespace the mount shows a part of the hierarchy: the path is then relative to that part.
            let place = |path: String| {
                let path = format!("/{path}");
                let below =
                    path.strip_prefix(root.trim_end_matches('/')).unwrap_or(&path).trim_start_matches('/').to_owned();
                Path::new(point).join(below)
            };
            match *kind {
                "cgroup2" => own.unified = path_of("").map(place),
                "cgroup" => {
                    for option in right.last().into_iter().flat_map(|options| options.split(',')) {
                        own.separate.extend(path_of(option).map(|path| (option.to_owned(), place(path))));
                    }
                }
                _ => {}
            }
        }
        own
    }

    /// Version 2: the subtree that was handed over to us.
    fn unified(&self) -> Result<&Path, String> {
        let own = self.unified.as_deref().ok_or("there is no cgroup v2")?;
        let there = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
        let lacking: Vec<&str> =
            NEEDED.into_iter().filter(|needed| !there.split_whitespace().any(|c| c == *needed)).collect();
        if !lacking.is_empty() {
            return Err(format!("cgroup v2 has no controller {} here", lacking.join(", ")));
        }
        if !is_delegated(own) {
            return Err("the server's cgroup is not delegated to it".into());
        }
        Ok(own)
    }

    /// Version 1, which only root may use.
    fn separate(&self, name: &str) -> Result<Enforcement, String> {
        let mut roots = Vec::new();
        for controller in NEEDED.into_iter().chain(["cpuacct"]) {
            let Some((_, own)) = self.separate.iter().find(|(found, _)| found == controller) else {
                if controller == "cpuacct" {
                    continue;
                }
                return Err(format!("there is no cgroup v1 with the controller {controller}"));
            };
            let root = own.join(name);
            // Tried now, so that what is missing is known before a session asks for it.
            fs::create_dir_all(&root).map_err(|error| format!("{} cannot be made: {error}", root.display()))?;
            if !roots.iter().any(|(_, known): &(_, PathBuf)| same(known, &root)) {
                roots.push((controller, root));
            }
        }
        Ok(Enforcement::Separate(roots))
    }
}

/// Whether two paths are one folder, as where `cpu` and `cpuacct` are mounted together.
fn same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    id(one) == id(other)
}

/// Whether the service manager left this subtree to us. As another user than root the right to write says so; root
/// may write everywhere, so there systemd's mark is asked for, and where there is no systemd nobody minds.
fn is_delegated(own: &Path) -> bool {
    if !nix::unistd::geteuid().is_root() {
        let needed = ["cgroup.procs", "cgroup.subtree_control"];
        return needed.iter().all(|name| rustix::fs::access(own.join(name), rustix::fs::Access::WRITE_OK).is_ok());
    }
    if !Path::new("/run/systemd/system").exists() {
        return true;
    }
    let mut value = [0; 8];
    ["trusted.delegate", "user.delegate"]
        .iter()
        .any(|mark| rustix::fs::getxattr(own, *mark, &mut value).is_ok_and(|length| value[..length] == *b"1"))
}

fn divide(own: &Path, name: &str) -> Result<Enforcement, String> {
    share_out(own, name).map_err(|error| format!("the server's cgroup {} cannot be divided: {error}", own.display()))
}

/// Divides our subtree: processes live in leaves only, so whatever is in `own` moves to `own/server` first.
fn share_out(own: &Path, name: &str) -> io::Result<Enforcement> {
    // A server that was started into the leaf by the service manager divides the folder above.
    let own = if own.file_name().is_some_and(|last| last == "server") { own.parent().unwrap_or(own) } else { own };
    // The root of the whole hierarchy may hold processes beside groups; only there the file is absent.
    if own.join("cgroup.type").exists() {
        let leaf = own.join("server");
        fs::create_dir_all(&leaf)?;
        for pid in fs::read_to_string(own.join("cgroup.procs"))?.lines() {
            // A process that ended meanwhile needs no move.
            let _ = fs::write(leaf.join("cgroup.procs"), pid);
        }
    }
    fs::write(own.join("cgroup.subtree_control"), controllers())?;
    let root = own.join(name);
    open_root(&root)?;
    Ok(Enforcement::Unified(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_in_both_versions() {
        let mounts = "\
30 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n\
31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
32 20 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let groups = "5:memory:/a/b\n2:cpu,cpuacct:/\n0::/system.slice/streamspace.service\n";
        let own = Own::parse(mounts, groups);
        assert_eq!(own.unified.unwrap(), Path::new("/sys/fs/cgroup/unified/system.slice/streamspace.service"));
        let place = |name: &str| own.separate.iter().find(|(found, _)| found == name).unwrap().1.clone();
        assert_eq!(place("memory"), Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(place("cpuacct"), Path::new("/sys/fs/cgroup/cpu,cpuacct/"));
    }

    #[test]
    fn in_a_namespace_the_path_is_relative_to_what_is_mounted() {
        let own = Own::parse("30 20 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/docker/x/y\n");
        assert_eq!(own.unified.unwrap(), Path::new("/sys/fs/cgroup/y"));
    }

    #[test]
    fn quotas_are_parts_of_a_period() {
        let limits = |cpu_millicores| Limits { cpu_millicores, ..Limits::default() };
        assert_eq!([quota(limits(1500)), quota(limits(1))], [150_000, 1000]);
    }
}
