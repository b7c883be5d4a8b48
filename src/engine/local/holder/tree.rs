//! What a tree of processes uses, read from `/proc`: for hosts that give no cgroups.

use std::{collections::HashMap, fs};

use crate::engine::Usage;

/// Sums over the process `root` and everything below it. `None`: there is no such process.
///
/// Everything in a sandbox is below its first process, since orphans there become its children.
pub(in crate::engine::local) fn usage(root: i32) -> Option<Usage> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut found: HashMap<i32, Process> = HashMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(process) = Process::read(pid) else { continue };
        children.entry(process.parent).or_default().push(pid);
        found.insert(pid, process);
    }
    found.get(&root)?;
    let mut usage = Usage::default();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        if let Some(process) = found.get(&pid) {
            usage.processes += 1;
            usage.cpu_micros += process.cpu_micros;
            usage.memory_bytes += process.memory_bytes;
        }
        waiting.extend(children.remove(&pid).unwrap_or_default());
    }
    Some(usage)
}

struct Process {
    parent: i32,
    cpu_micros: u64,
    memory_bytes: u64,
}

/// Fields of `/proc/{pid}/stat` after the name, counted from the state: see `proc_pid_stat(5)`.
const PARENT: usize = 1;
const USER_TIME: usize = 11;
const CHILDREN_SYSTEM_TIME: usize = 14;
const RESIDENT_PAGES: usize = 21;

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        let ticks: u64 = (USER_TIME..=CHILDREN_SYSTEM_TIME).filter_map(number).sum();
        Some(Self {
            parent: fields.get(PARENT)?.parse().ok()?,
            cpu_micros: ticks * 1_000_000 / rustix::param::clock_ticks_per_second(),
            memory_bytes: number(RESIDENT_PAGES)? * rustix::param::page_size() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_with_its_children() {
        let own = i32::try_from(std::process::id()).unwrap();
        let alone = usage(own).unwrap();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let both = usage(own).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(both.processes > alone.processes, "{both:?} after {alone:?}");
        assert!(both.memory_bytes > 0);
        assert_eq!(usage(i32::MAX), None);
    }
}
