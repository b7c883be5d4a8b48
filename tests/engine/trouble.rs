//! Everything that can go wrong with a run has its own reason.

use std::{path::Path, time::Instant};

use jiff::SignedDuration;
use streamspace::{
    crd::{Reason, Requirement},
    engine::{Limits, Stage, Workload},
};

use crate::support::{Host, script, server, wait_for, workload};

fn limited(workload: Workload, memory_mib: u64, cpu_millicores: u64) -> Workload {
    Workload { limits: Limits { cpu_millicores, memory_bytes: memory_mib << 20, gpus: 0 }, ..workload }
}

/// A program that takes 400 MiB, says so, and keeps them.
fn hungry(user: &str) -> Workload {
    let program = "import signal; x = bytearray(400 << 20); print('had enough', flush=True); signal.pause()";
    workload(user, &["/usr/bin/python3", "-c", program])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_needs_more_memory_than_it_may_have_is_told_so() {
    let host = Host::start().await;
    let (small, large) = (limited(hungry("alice"), 100, 1000), limited(hungry("alice"), 800, 1000));
    host.run(&large).await;
    host.run(&small).await;
    let ending = host.ending(&small.session).await;
    assert_eq!(ending.reason, Some(Reason::OutOfMemory), "{ending:?}");
    assert!(ending.message.contains("100 MiB"), "{}", ending.message);
    host.line(&large.session, "had enough").await;
    host.remove(&small.session).await;
    host.remove(&large.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cgroups_memory_is_watched_and_the_state_says_that_limits_are_missing() {
    let host = Host::start_with(|options| options.cgroups = false).await;
    let workload = limited(hungry("alice"), 100, 1000);
    host.run(&workload).await;
    let ended = host.until(&workload.session, |state| matches!(state.stage, Stage::Ended(_))).await;
    assert!(ended.limits_missing.is_some());
    let Stage::Ended(ending) = ended.stage else { unreachable!() };
    assert_eq!(ending.reason, Some(Reason::OutOfMemory), "{ending:?}");
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_measured_with_and_without_cgroups() {
    for cgroups in [true, false] {
        let host = Host::start_with(|options| options.cgroups = cgroups).await;
        let workload = limited(hungry("alice"), 900, 1000);
        host.run(&workload).await;
        host.line(&workload.session, "had enough").await;
        let usage = host.engine.usage(&workload.session).await.unwrap().unwrap();
        assert!((400 << 20..900 << 20).contains(&usage.memory_bytes), "{usage:?}");
        assert_eq!(usage.memory_limit_bytes, 900 << 20);
        assert!(usage.cpu_micros > 1000 && (3..20).contains(&usage.processes), "{usage:?}");
        host.remove(&workload.session).await;
        assert_eq!(host.engine.usage(&workload.session).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_program_gets_the_processor_time_it_may_have_and_no_more() {
    let host = Host::start().await;
    let workload = limited(script("alice", "while :; do :; done"), 100, 200);
    let state = {
        host.run(&workload).await;
        host.until(&workload.session, |state| matches!(state.stage, Stage::Running { .. })).await
    };
    if let Some(why) = state.limits_missing {
        assert!(!nix::unistd::geteuid().is_root(), "root has limits everywhere: {why}");
        return host.remove(&workload.session).await;
    }
    let used = async || host.engine.usage(&workload.session).await.unwrap().unwrap().cpu_micros;
    let (begin, before) = (Instant::now(), used().await);
    let mut after = before;
    while after < before + 300_000 {
        after = used().await;
    }
    // A fifth of a core needs 1.5 s for that; a period more or less.
    assert!(begin.elapsed().as_millis() > 1200, "{:?} for {} µs", begin.elapsed(), after - before);
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_reaches_its_limit_and_leaves_the_session_reachable() {
    let host = Host::start_with(|options| options.process_limit = 60).await;
    let workload = server("alice", "exec sh 2>&1");
    let state = host.listening(&workload).await;
    if state.limits_missing.is_none() {
        let bomb = "for i in $(seq 200); do sleep 1000 </dev/null >/dev/null 2>&1 & done; echo made";
        let seen = crate::support::exchange(host.dial(&workload.session, 8000).await, bomb.as_bytes()).await;
        assert!(seen.contains("ork"), "{seen}");
        assert!(host.engine.usage(&workload.session).await.unwrap().unwrap().processes <= 60);
        host.dial(&workload.session, 8000).await;
    }
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_missing_is_named_with_the_command_that_brings_it() {
    let host = Host::start().await;
    let requires = vec![Requirement { program: "no-such-program".into(), install: "apt-get install it".into() }];
    let workload = Workload { requires: requires.clone(), ..script("alice", "true") };
    host.run(&workload).await;
    let ending = host.ending(&workload.session).await;
    assert_eq!(ending.reason, Some(Reason::ProgramMissing));
    assert!(ending.message.contains("no-such-program") && ending.message.contains("apt-get install it"));
    assert_eq!(host.engine.missing(&requires).await.unwrap(), requires);

    // One that nobody declared is found missing at the start.
    let undeclared = workload_of("no-such-program");
    host.run(&undeclared).await;
    assert_eq!(host.ending(&undeclared.session).await.reason, Some(Reason::ProgramMissing));
    let there = workload_of("sh");
    host.run(&there).await;
    assert_eq!(host.ending(&there.session).await.reason, Some(Reason::ExitedAtOnce));
    for workload in [workload, undeclared, there] {
        host.remove(&workload.session).await;
    }
}

fn workload_of(program: &str) -> Workload {
    workload("alice", &[program])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_never_opens_ends_the_run() {
    let host = Host::start_with(|options| options.port_deadline = std::time::Duration::from_secs(1)).await;
    let workload = Workload { ports: vec![8000], ..script("alice", "sleep 1000") };
    host.run(&workload).await;
    let ending = host.ending(&workload.session).await;
    assert_eq!(ending.reason, Some(Reason::PortNeverOpened), "{ending:?}");
    assert!(ending.message.contains("8000"), "{}", ending.message);
    // One that opens late, but in time, runs.
    let late = server("alice", "");
    host.listening(&late).await;
    host.remove(&workload.session).await;
    host.remove(&late.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_cannot_be_used_is_named() {
    let host = Host::start().await;
    std::fs::write(host.data.join("homes/home-alice"), "no folder").unwrap();
    let workload = script("alice", "true");
    host.run(&workload).await;
    assert_eq!(host.ending(&workload.session).await.reason, Some(Reason::HomeNotWritable));
    host.remove(&workload.session).await;
}

/// A file system of its own at a home; gone with the value.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(path: &'a Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options)).unwrap();
        Self(path)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        nix::mount::umount(self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_on_a_full_or_read_only_disk_is_named() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root may mount a small disk: not tried");
        return;
    }
    let host = Host::start().await;
    let (full, closed) = (host.data.join("homes/home-full"), host.data.join("homes/home-closed"));
    let (full, closed) = (Mounted::new(&full, "size=64k"), Mounted::new(&closed, "size=64k"));
    std::fs::write(full.0.join("everything"), vec![1; 64 << 10]).unwrap();
    let first = script("full", "sleep 1000");
    host.run(&first).await;
    assert_eq!(host.ending(&first.session).await.reason, Some(Reason::DiskFull));
    // Freed, the next run works.
    std::fs::remove_file(full.0.join("everything")).unwrap();
    let again = Workload { run: 2, ..first.clone() };
    host.run(&again).await;
    host.until(&again.session, |state| state.run == 2 && matches!(state.stage, Stage::Running { .. })).await;

    let flags = nix::mount::MsFlags::MS_REMOUNT | nix::mount::MsFlags::MS_RDONLY;
    nix::mount::mount(None::<&str>, closed.0, None::<&str>, flags, None::<&str>).unwrap();
    let second = script("closed", "true");
    host.run(&second).await;
    assert_eq!(host.ending(&second.session).await.reason, Some(Reason::HomeNotWritable));
    host.remove(&first.session).await;
    host.remove(&second.session).await;
    // A mounted home is not emptied.
    assert!(host.engine.remove_home("home-full").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_grows_is_warned_about_and_then_stopped() {
    let host = Host::start_with(|options| options.home_limit_bytes = 10 << 20).await;
    let grow = "echo begun; read a < ~/pipe; for i in 1 2 3; do head -c 3200000 /dev/zero > ~/$i; done; echo grown; \
                read a < ~/pipe; for i in 4 5; do head -c 3200000 /dev/zero > ~/$i; done; echo burst; sleep 1000";
    let workload = script("alice", &format!("mkfifo ~/pipe; {grow}"));
    let pipe = host.data.join("homes/home-alice/pipe");
    let minute = SignedDuration::from_secs(61);
    host.run(&workload).await;
    host.line(&workload.session, "begun").await;
    host.clock.advance(minute);
    std::fs::write(&pipe, "go\n").unwrap();
    host.line(&workload.session, "grown").await;
    host.clock.advance(minute);
    let warning = host.line(&workload.session, "The home is").await;
    assert!(warning.contains('9') && warning.contains("10 MiB"), "{warning}");
    std::fs::write(&pipe, "go\n").unwrap();
    host.line(&workload.session, "burst").await;
    host.clock.advance(minute);
    let ending = host.ending(&workload.session).await;
    assert_eq!(ending.reason, Some(Reason::DiskFull), "{ending:?}");
    let usage = host.engine.home_usage("home-alice").await.unwrap().unwrap();
    assert!(usage.used_bytes > 11 << 20 && usage.limit_bytes == 10 << 20, "{usage:?}");
    host.remove(&workload.session).await;
    // The files are still there: deleting a session never deletes a home.
    assert!(host.data.join("homes/home-alice/5").exists());
    host.engine.remove_home("home-alice").await.unwrap();
    assert!(!host.data.join("homes/home-alice").exists());
    assert_eq!(host.engine.home_usage("home-alice").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_stays_bounded_and_its_end_is_kept() {
    let host = Host::start().await;
    let workload = script("alice", "seq 1 1000000; echo the end; sleep 1000");
    host.run(&workload).await;
    host.line(&workload.session, "the end").await;
    let record = host.data.join("sandboxes").join(&workload.session.0).join("record");
    let size: u64 = std::fs::read_dir(&record).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 11 << 20, "{size}");
    assert_eq!(host.output(&workload.session).await.last().unwrap(), "stdout the end");
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_removed_session_but_its_persistent_home() {
    let host = Host::start().await;
    let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap().lines().count();
    let before = mounts();
    let workload = Workload { network: true, ..server("alice", "cat") };
    host.listening(&workload).await;
    let [holder] = crate::support::holders(&host.data)[..] else { panic!("one holder") };
    let tree = tree_of(holder);
    assert!(tree.len() >= 4, "{tree:?}");
    let groups = groups_of(holder);
    host.remove(&workload.session).await;
    wait_for(|| tree.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())).await;
    for folder in [host.data.join("sandboxes"), host.options.run_dir.clone()] {
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{}", folder.display());
    }
    assert!(host.data.join("homes/home-alice").is_dir());
    assert_eq!(mounts(), before);
    for group in groups {
        assert!(!group.contains("streamspace-") || !group_exists(&group), "{group}");
    }
}

fn tree_of(root: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{root}/task/{root}/children")).unwrap_or_default();
    let below = children.split_whitespace().flat_map(|child| tree_of(child.parse().unwrap()));
    std::iter::once(root).chain(below.collect::<Vec<_>>()).collect()
}

/// Lines of `/proc/{pid}/cgroup`.
fn groups_of(pid: i32) -> Vec<String> {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().lines().map(str::to_owned).collect()
}

fn group_exists(line: &str) -> bool {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
    Path::new("/sys/fs/cgroup").join(controllers).join(path.trim_start_matches('/')).exists()
}
