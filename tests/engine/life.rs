//! Start, connection, output, end.

use futures::StreamExt;
use streamspace::{
    crd::Reason,
    engine::{EngineError, LogQuery, Stage},
};

use crate::support::{Host, exchange, script, server};

#[tokio::test]
async fn a_program_is_started_reached_heard_and_removed() {
    let host = Host::start().await;
    let workload = server("alice", "read line; echo \"you said $line\"; id -un; pwd");
    let state = host.listening(&workload).await;
    assert!(state.started_at.is_some());
    let answer = exchange(host.dial(&workload.session, 8000).await, b"hello\n").await;
    assert_eq!(answer, "you said hello\nalice\n/home/user\n");
    assert!(host.output(&workload.session).await.contains(&"stdout serving".to_owned()));
    assert!(matches!(host.engine.dial(&workload.session, 8001).await, Err(EngineError::NoSuchPort { port: 8001, .. })));
    host.remove(&workload.session).await;
    assert_eq!(host.engine.state(&workload.session).await.unwrap(), None);
    assert!(matches!(host.engine.dial(&workload.session, 8000).await, Err(EngineError::NotRunning(_))));
}

#[tokio::test]
async fn a_program_that_ends_at_once_leaves_its_status_and_its_last_words() {
    let host = Host::start().await;
    let workload = script("alice", "echo something is wrong >&2; exit 3");
    host.run(&workload).await;
    let ending = host.ending(&workload.session).await;
    assert_eq!((ending.reason, ending.exit_code), (Some(Reason::ExitedAtOnce), Some(3)));
    assert!(ending.message.contains("something is wrong"), "{}", ending.message);
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn output_is_followed_through_a_restart_until_the_session_is_removed() {
    let host = Host::start().await;
    let mut workload = script("alice", "echo first run; sleep 1000");
    host.run(&workload).await;
    host.line(&workload.session, "first run").await;
    let follow = LogQuery { tail: Some(1), follow: true, ..LogQuery::default() };
    let mut lines = host.engine.logs(&workload.session, follow).await.unwrap().map(|line| line.unwrap().text);
    assert_eq!(lines.next().await.unwrap(), "first run");
    workload.run = 2;
    workload.command[2] = "echo second run; sleep 1000".into();
    host.run(&workload).await;
    assert!(crate::support::next_with(&mut lines, "second run").await.is_some());
    host.remove(&workload.session).await;
    assert!(tokio::time::timeout(crate::support::PATIENCE, lines.count()).await.is_ok());
}

#[tokio::test]
async fn a_stopped_workload_is_forgotten_and_its_output_stays() {
    let host = Host::start().await;
    let workload = script("alice", "echo hello; sleep 1000");
    host.run(&workload).await;
    host.line(&workload.session, "hello").await;
    host.engine.stop(&workload.session).await.unwrap();
    host.gone(&workload.session).await;
    assert!(host.output(&workload.session).await.contains(&"stdout hello".to_owned()));
    assert!(!matches!(
        host.engine.state(&workload.session).await.unwrap().map(|s| s.stage),
        Some(Stage::Running { .. })
    ));
    host.remove(&workload.session).await;
    assert!(host.output(&workload.session).await.is_empty());
}
