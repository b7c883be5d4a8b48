//! What a host has and uses, as its kernel tells.

use std::{fs, io, path::Path};

use crate::domain::nodes::Amounts;

/// Free memory below which the host is short of it (the kubelet's own threshold).
const LEAST_MEMORY: u64 = 100 << 20;
/// One in so many parts of the disk has to be free.
const LEAST_DISK_PART: u64 = 10;
/// One in so many process numbers has to be free.
const LEAST_PIDS_PART: u64 = 10;

/// Processor time since the boot, in ticks over all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    busy: u64,
    all: u64,
    processors: u64,
}

/// One look at the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// What there is.
    pub(super) capacity: Amounts,
    /// What is used; processors only from the second look on.
    pub(super) used: Amounts,
    /// Process numbers: given, and all there are.
    pub(super) pids: (u64, u64),
    ticks: Ticks,
}

impl Figures {
    /// Looks at the host; `before`: the look before this one, since which processor time is counted. `proc`: `/proc`;
    /// `disk`: a folder on the file system that counts.
    pub(super) fn look(proc: &Path, disk: &Path, before: Option<&Self>) -> io::Result<Self> {
        let ticks = ticks(&fs::read_to_string(proc.join("stat"))?)?;
        let memory = fs::read_to_string(proc.join("meminfo"))?;
        let (total, available) = (kib(&memory, "MemTotal:")?, kib(&memory, "MemAvailable:")?);
        let (disk_total, disk_used) = space(disk)?;
        Ok(Self {
            capacity: Amounts {
                cpu_millis: Some(ticks.processors * 1000),
                memory_bytes: Some(total),
                storage_bytes: Some(disk_total),
                ..Amounts::default()
            },
            used: Amounts {
                cpu_millis: before.and_then(|before| ticks.used_since(&before.ticks)),
                memory_bytes: Some(total.saturating_sub(available)),
                storage_bytes: Some(disk_used),
                ..Amounts::default()
            },
            pids: pids(proc)?,
            ticks,
        })
    }

    /// What the host is short of: the condition, whether it is, and a sentence.
    pub(super) fn pressures(&self) -> [(&'static str, bool, String); 3] {
        let left = |total: Option<u64>, used: Option<u64>| {
            (total.unwrap_or_default(), total.unwrap_or_default().saturating_sub(used.unwrap_or_default()))
        };
        let (_, memory) = left(self.capacity.memory_bytes, self.used.memory_bytes);
        let (disk_all, disk) = left(self.capacity.storage_bytes, self.used.storage_bytes);
        let (pids_used, pids_all) = self.pids;
        let mebi = |bytes: u64| format!("{} MiB", bytes >> 20);
        [
            ("MemoryPressure", memory < LEAST_MEMORY, format!("{} of memory are available.", mebi(memory))),
            (
                "DiskPressure",
                disk < disk_all / LEAST_DISK_PART,
                format!("{} of the data folder's disk are free.", mebi(disk)),
            ),
            (
                "PIDPressure",
                pids_all.saturating_sub(pids_used) < pids_all / LEAST_PIDS_PART,
                format!("{pids_used} of {pids_all} process numbers are given."),
            ),
        ]
    }
}

impl Ticks {
    /// Processors used on average since `before`, in thousandths; `None` where no time has passed.
    fn used_since(&self, before: &Self) -> Option<u64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.busy.saturating_sub(before.busy) * 1000 * self.processors / all)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::other(format!("the kernel does not tell {what}"))
}

/// Reads `/proc/stat`: the line of all processors, and how many there are (proc(5)).
fn ticks(stat: &str) -> io::Result<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).ok_or_else(|| broken("processor times"))?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests used is in user and nice already.
    let times: Vec<u64> = line.split_whitespace().take(8).filter_map(|text| text.parse().ok()).collect();
    let [_, _, _, idle, ..] = times[..] else { return Err(broken("processor times")) };
    let all = times.iter().sum::<u64>();
    let waiting = times.get(4).copied().unwrap_or_default();
    let processor =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let processors = stat.lines().filter(processor).count() as u64;
    Ok(Ticks { busy: all.saturating_sub(idle + waiting), all, processors })
}

/// The line of `/proc/meminfo` that begins with `name`, in bytes.
fn kib(meminfo: &str, name: &str) -> io::Result<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    number.map(|kib| kib << 10).ok_or_else(|| broken(name))
}

/// The size of the file system of `folder`, and what of it is used or kept for root, in bytes.
fn space(folder: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder)?;
    let total = stat.f_blocks * stat.f_frsize;
    Ok((total, total.saturating_sub(stat.f_bavail * stat.f_frsize)))
}

/// Threads that there are, and the most there can be: each has a number.
fn pids(proc: &Path) -> io::Result<(u64, u64)> {
    let load = fs::read_to_string(proc.join("loadavg"))?;
    // 0.20 0.18 0.12 1/80 11206: runnable and existing ones.
    let existing = load.split_whitespace().nth(3).and_then(|pair| pair.split_once('/')?.1.parse().ok());
    let most = fs::read_to_string(proc.join("sys/kernel/pid_max"))?.trim().parse().ok();
    existing.zip(most).ok_or_else(|| broken("how many processes there are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0 0 0\ncpu1 50 0 50 350 50 0 0 0 0 0\nintr 1\n";

    fn proc(stat: &str, available_kib: u64, load: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stat"), stat).unwrap();
        let memory = format!("MemTotal:        4194304 kB\nMemFree: 1 kB\nMemAvailable:    {available_kib} kB\n");
        fs::write(folder.path().join("meminfo"), memory).unwrap();
        fs::write(folder.path().join("loadavg"), format!("0.20 0.18 0.12 1/{load} 11206\n")).unwrap();
        fs::create_dir_all(folder.path().join("sys/kernel")).unwrap();
        fs::write(folder.path().join("sys/kernel/pid_max"), "1000\n").unwrap();
        folder
    }

    #[test]
    fn processor_time_is_counted_between_two_looks_over_all_processors() {
        let first = proc(STAT, 1 << 20, "80");
        let before = Figures::look(first.path(), first.path(), None).unwrap();
        assert_eq!((before.capacity.cpu_millis, before.used.cpu_millis), (Some(2000), None));
        // 400 ticks later, half of them busy: one of two processors.
        let second = proc(&STAT.replace("cpu  100 0 100 700 100", "cpu  200 0 200 800 200"), 1 << 20, "80");
        let after = Figures::look(second.path(), second.path(), Some(&before)).unwrap();
        assert_eq!(after.used.cpu_millis, Some(1000));
        assert_eq!(Figures::look(second.path(), second.path(), Some(&after)).unwrap().used.cpu_millis, None);
    }

    #[test]
    fn memory_that_can_be_had_counts_as_free() {
        let folder = proc(STAT, 1 << 20, "80");
        let figures = Figures::look(folder.path(), folder.path(), None).unwrap();
        assert_eq!((figures.capacity.memory_bytes, figures.used.memory_bytes), (Some(4 << 30), Some(3 << 30)));
        assert!(figures.used.storage_bytes < figures.capacity.storage_bytes);
    }

    #[test]
    fn a_host_says_what_it_is_short_of() {
        let short = |available: u64, load: &str| {
            let folder = proc(STAT, available, load);
            let mut figures = Figures::look(folder.path(), folder.path(), None).unwrap();
            (figures.capacity.storage_bytes, figures.used.storage_bytes) = (Some(1000), Some(950));
            let short = figures.pressures().into_iter().filter(|(_, short, _)| *short);
            short.map(|(condition, _, _)| condition).collect::<Vec<_>>()
        };
        assert_eq!(short(1 << 20, "80"), ["DiskPressure"]);
        assert_eq!(short(50 << 10, "950"), ["MemoryPressure", "DiskPressure", "PIDPressure"]);
    }

    #[test]
    fn the_host_of_this_test_has_figures() {
        let figures = Figures::look(Path::new("/proc"), Path::new("/"), None).unwrap();
        let amounts = [figures.capacity.cpu_millis, figures.capacity.memory_bytes, figures.used.memory_bytes];
        assert!(amounts.iter().all(|amount| amount.is_some_and(|amount| amount > 0)), "{figures:?}");
    }
}
