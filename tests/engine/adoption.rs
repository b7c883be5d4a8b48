//! Sandboxes outlive the server and are found again.

use std::time::Instant;

use futures::future::join_all;
use jiff::SignedDuration;
use streamspace::{
    clock::Clock as _,
    crd::Reason,
    engine::{SessionId, Stage, Workload},
};

use crate::support::{Host, exchange, holders, script, server, silence, wait_for};

/// A server that counts: each connection gets the next number and the pid of the one program.
fn counter(user: &str) -> Workload {
    let mut workload = server(user, "");
    let program = "
import socket, os
listener = socket.create_server(('127.0.0.1', 8000))
count = 0
while True:
    connection, _ = listener.accept()
    count += 1
    connection.sendall(b'%d' % count)
    connection.close()
";
    workload.command = ["/usr/bin/python3", "-c", program].map(str::to_owned).to_vec();
    workload
}

fn start_time(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned()
}

fn processes(host: &Host) -> Vec<(i32, String)> {
    let mut found: Vec<_> = holders(&host.data).into_iter().map(|pid| (pid, start_time(pid))).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_finds_every_sandbox_again_and_what_runs_in_it_goes_on() {
    const SESSIONS: usize = 20;
    let mut host = Host::start().await;
    let workloads: Vec<Workload> = (0..SESSIONS).map(|n| counter(&format!("user{n}"))).collect();
    join_all(workloads.iter().map(|workload| host.listening(workload))).await;
    let next = async |host: &Host, session: &SessionId| {
        exchange(host.dial(session, 8000).await, b"").await.parse::<u32>().unwrap()
    };
    let mut before = Vec::new();
    for workload in &workloads {
        before.push(next(&host, &workload.session).await);
    }
    let processes_before = processes(&host);
    assert_eq!(processes_before.len(), SESSIONS);

    let started = Instant::now();
    host.restart().await;
    assert!(started.elapsed().as_secs() < 3, "{:?}", started.elapsed());

    assert_eq!(processes(&host), processes_before);
    for (workload, count) in workloads.iter().zip(before) {
        let state = host.engine.state(&workload.session).await.unwrap().unwrap();
        assert_eq!(state.stage, Stage::Running { listening: true });
        assert_eq!(next(&host, &workload.session).await, count + 1);
        // Asked for again, as a controller does, it stays what it is.
        host.run(workload).await;
    }
    assert_eq!(processes(&host), processes_before);
    join_all(workloads.iter().map(|workload| host.remove(&workload.session))).await;
    assert!(processes(&host).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_while_no_server_was_there_is_known_to_the_next() {
    let mut host = Host::start().await;
    let workload = script("alice", "mkfifo $HOME/pipe; echo waiting; read line < $HOME/pipe; exit 7");
    host.run(&workload).await;
    host.line(&workload.session, "waiting").await;
    host.leave().await;
    // The program ends when somebody writes into its pipe.
    std::fs::write(host.data.join("homes/home-alice/pipe"), "go\n").unwrap();
    let exit = host.data.join("sandboxes").join(&workload.session.0).join("record/exit.json");
    wait_for(|| exit.exists()).await;
    host.restart().await;
    let ending = host.ending(&workload.session).await;
    assert_eq!((ending.reason, ending.exit_code), (Some(Reason::ExitedAtOnce), Some(7)));
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_before_the_host_was_restarted_is_said_to_have_ended_with_it() {
    let mut host = Host::start().await;
    let workload = server("alice", "");
    host.listening(&workload).await;
    host.leave().await;
    let [holder] = holders(&host.data)[..] else { panic!("one holder") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(holder), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for(|| holders(&host.data).is_empty()).await;
    // As a boot before this one would have left it.
    let spec = host.data.join("sandboxes").join(&workload.session.0).join("spec.json");
    let mut text: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&spec).unwrap()).unwrap();
    text["boot"] = "00000000-0000-0000-0000-000000000000".into();
    std::fs::write(&spec, text.to_string()).unwrap();
    host.restart().await;
    assert_eq!(host.ending(&workload.session).await.reason, Some(Reason::HostRestarted));
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_killed_by_hand_takes_its_sandbox_along() {
    let host = Host::start().await;
    let workload = server("alice", "");
    host.listening(&workload).await;
    let connection = host.dial(&workload.session, 8000).await;
    let [holder] = holders(&host.data)[..] else { panic!("one holder") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(holder), nix::sys::signal::Signal::SIGKILL).unwrap();
    let ending = host.ending(&workload.session).await;
    assert_eq!(ending.reason, Some(Reason::Unknown));
    // The other end of the connection died with it.
    assert_eq!(silence(connection).await, "");
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_told_by_the_servers_clock_and_keeps_its_times_when_that_clock_moves() {
    let mut host = Host::start().await;
    host.clock.advance(SignedDuration::from_hours(100));
    let workload = server("alice", "");
    let asked = host.clock.now();
    let state = host.listening(&workload).await;
    let started = state.started_at.unwrap();
    assert!((asked..=host.clock.now()).contains(&started), "{started} for {asked}");
    host.clock.advance(SignedDuration::from_hours(5));
    host.restart().await;
    let again = host.until(&workload.session, |state| state.started_at.is_some()).await;
    assert_eq!(again.started_at, Some(started));
    host.remove(&workload.session).await;
}
