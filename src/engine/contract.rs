//! What every engine promises, as tests that each adapter passes against the real thing.
//!
//! No part of the library: the adapters' tests take this file in by its path and call [`engine_contract`] with a function
//! that gives an engine without workloads.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use streamspace::{
    crd::{Reason, Requirement},
    engine::{
        Ending, Engine, EngineError, Home, Limits, LogQuery, SessionId, Stage, Workload, WorkloadEvent, WorkloadState,
    },
};
use tokio::io::AsyncReadExt;

/// An engine to try, with nothing to run at first.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The engine.
    fn engine(&self) -> Arc<dyn Engine>;

    /// What the end of the server and the start of another do. The longest wait for a first port is some seconds in both.
    async fn restart(&mut self);

    /// An image with a shell and the programs below; empty for engines that run programs of the host.
    fn image(&self) -> String;

    /// A program that listens on `port` and answers connection after connection with how many there were, from 1.
    fn counter(&self, port: u16) -> Vec<String>;

    /// A program that takes so much memory and keeps it.
    fn hungry(&self, mib: u32) -> Vec<String>;

    /// Whether programs are looked for on the host.
    fn knows_the_host(&self) -> bool;
}

/// Makes one test of each promise. The argument is an async function without arguments that returns a [`Subject`].
macro_rules! engine_contract {
    ($start:path) => {
        $crate::engine_contract::engine_contract!($start:
            a_workload_is_started_once_however_often_it_is_asked_for
            a_later_run_replaces_an_earlier_one_and_an_earlier_one_changes_nothing
            a_session_made_anew_under_the_same_name_is_another
            what_is_stopped_is_forgotten_and_its_output_stays
            a_program_that_is_asked_to_end_may_end_in_order
            what_is_removed_leaves_nothing_but_its_home
            names_that_lead_elsewhere_are_refused
            a_watch_begins_with_the_present_and_goes_on_with_each_change
            another_server_finds_what_runs_and_what_ended
            ports_of_the_workload_are_reached_and_no_others
            output_is_kept_in_order_and_its_end_is_told_first
            output_is_followed_through_runs_until_the_end
            usage_is_told_while_it_runs
            the_program_finds_its_environment_and_its_home
            a_home_outlives_its_sessions_and_belongs_to_one_person
            an_ephemeral_home_is_empty_and_goes_with_its_session
            a_home_is_gone_when_that_is_asked
            a_program_that_ends_at_once_is_told_with_its_status_and_last_words
            a_program_that_is_not_there_is_told
            a_program_that_does_not_listen_in_time_is_told
            a_program_that_needs_too_much_memory_is_told
            requirements_are_looked_for_where_programs_are_the_hosts
        );
    };
    ($start:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let mut subject = $start().await;
                $crate::engine_contract::within($crate::engine_contract::$promise(&mut subject)).await;
            }
        )*
    };
}
pub(crate) use engine_contract;

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// No promise takes longer to see kept.
pub async fn within<T>(promise: impl Future<Output = T>) -> T {
    tokio::time::timeout(3 * PATIENCE, promise).await.expect("kept within three minutes")
}

/// A workload with a name of its own.
fn workload(subject: &impl Subject, user: &str, command: Vec<String>) -> Workload {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Workload {
        session: SessionId(format!("{user}-contract-{number:08x}")),
        session_uid: format!("uid-{number}"),
        user: user.into(),
        template: "contract".into(),
        run: 1,
        image: subject.image(),
        command,
        args: Vec::new(),
        env: BTreeMap::new(),
        ports: Vec::new(),
        home: Home::Persistent(format!("home-{user}")),
        home_path: "/home/user".into(),
        limits: Limits { cpu_millicores: 1000, memory_bytes: 512 << 20, gpus: 0 },
        network: false,
        root: false,
        requires: Vec::new(),
    }
}

fn script(subject: &impl Subject, user: &str, text: &str) -> Workload {
    workload(subject, user, ["sh", "-c", text].map(str::to_owned).to_vec())
}

fn counter(subject: &impl Subject, user: &str) -> Workload {
    Workload { ports: vec![8000], ..workload(subject, user, subject.counter(8000)) }
}

/// Waits until the state of a session is as wanted.
async fn until(engine: &dyn Engine, session: &SessionId, wanted: impl Fn(&WorkloadState) -> bool) -> WorkloadState {
    let mut events = engine.watch();
    let found = async {
        loop {
            match events.next().await {
                Some(WorkloadEvent::Apply(state)) if state.session == *session && wanted(&state) => return *state,
                Some(_) => {}
                None => panic!("a watch never ends"),
            }
        }
    };
    let Ok(state) = tokio::time::timeout(PATIENCE, found).await else {
        panic!("{session} is {:?}", engine.state(session).await)
    };
    state
}

async fn listening(engine: &dyn Engine, workload: &Workload) -> WorkloadState {
    engine.ensure(workload).await.unwrap();
    let run = workload.run;
    let settled = |state: &WorkloadState| {
        state.run == run && matches!(state.stage, Stage::Running { listening: true } | Stage::Ended(_))
    };
    let state = until(engine, &workload.session, settled).await;
    assert!(matches!(state.stage, Stage::Running { .. }), "{state:?}");
    state
}

async fn ending(engine: &dyn Engine, workload: &Workload) -> Ending {
    engine.ensure(workload).await.unwrap();
    match until(engine, &workload.session, |state| matches!(state.stage, Stage::Ended(_))).await.stage {
        Stage::Ended(ending) => ending,
        other => panic!("{other:?}"),
    }
}

/// Stops a workload and waits until nothing is left of it.
async fn stop(engine: &dyn Engine, session: &SessionId) {
    engine.stop(session).await.unwrap();
    let mut events = engine.watch();
    let gone = async {
        while engine.state(session).await.unwrap().is_some() {
            events.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it stops");
}

/// What a counter answers.
async fn count(engine: &dyn Engine, session: &SessionId) -> u32 {
    let mut connection = engine.dial(session, 8000).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, connection.read_to_string(&mut text)).await.expect("an answer").unwrap();
    text.trim().parse().unwrap()
}

/// The lines that there are, but for the platform's own.
async fn lines(engine: &dyn Engine, session: &SessionId, tail: Option<usize>) -> Vec<String> {
    let lines = engine.logs(session, LogQuery { tail, follow: false, ..LogQuery::default() }).await.unwrap();
    let of_the_program = lines.map(Result::unwrap).filter(|line| std::future::ready(line.stream != "system"));
    of_the_program.map(|line| line.text).collect().await
}

/// Follows the output until a line is `text`.
async fn says(engine: &dyn Engine, session: &SessionId, text: &str) {
    let mut lines = engine.logs(session, LogQuery { tail: None, follow: true, ..LogQuery::default() }).await.unwrap();
    let said = async {
        loop {
            match lines.next().await {
                Some(line) if line.as_ref().is_ok_and(|line| line.text == text) => return,
                Some(_) => {}
                None => panic!("the output ended without {text:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("{session} never says {text:?}"));
}

pub async fn a_workload_is_started_once_however_often_it_is_asked_for(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), counter(subject, "alice"));
    for asked in join_all((0..10).map(|_| engine.ensure(&workload))).await {
        asked.unwrap();
    }
    let state = listening(&*engine, &workload).await;
    assert_eq!((state.run, &state.session_uid), (1, &workload.session_uid));
    let first = count(&*engine, &workload.session).await;
    engine.ensure(&workload).await.unwrap();
    assert_eq!(count(&*engine, &workload.session).await, first + 1, "the same program");
    assert_eq!(engine.state(&workload.session).await.unwrap().unwrap().started_at, state.started_at);
    engine.remove(&workload.session).await.unwrap();
}

pub async fn a_later_run_replaces_an_earlier_one_and_an_earlier_one_changes_nothing(subject: &mut impl Subject) {
    let (engine, first) = (subject.engine(), counter(subject, "alice"));
    listening(&*engine, &first).await;
    let before = count(&*engine, &first.session).await;
    let second = Workload { run: 2, ..first.clone() };
    assert_eq!(listening(&*engine, &second).await.run, 2);
    let fresh = count(&*engine, &first.session).await;
    assert!(fresh <= before, "{fresh} after {before}: a program of its own");
    engine.ensure(&first).await.unwrap();
    assert_eq!(count(&*engine, &first.session).await, fresh + 1);
    assert_eq!(engine.state(&first.session).await.unwrap().unwrap().run, 2);
    engine.remove(&first.session).await.unwrap();
}

pub async fn a_session_made_anew_under_the_same_name_is_another(subject: &mut impl Subject) {
    let (engine, old) = (subject.engine(), script(subject, "alice", "echo old; sleep 1000"));
    engine.ensure(&old).await.unwrap();
    says(&*engine, &old.session, "old").await;
    let new = Workload { session_uid: "another".into(), command: vec!["sleep".into(), "1000".into()], ..old.clone() };
    engine.ensure(&new).await.unwrap();
    let ours = |state: &WorkloadState| state.session_uid == "another" && matches!(state.stage, Stage::Running { .. });
    until(&*engine, &old.session, ours).await;
    engine.remove(&old.session).await.unwrap();
}

pub async fn what_is_stopped_is_forgotten_and_its_output_stays(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), script(subject, "alice", "echo hello; sleep 1000"));
    // Nothing is there to be stopped.
    engine.stop(&workload.session).await.unwrap();
    engine.ensure(&workload).await.unwrap();
    says(&*engine, &workload.session, "hello").await;
    stop(&*engine, &workload.session).await;
    stop(&*engine, &workload.session).await;
    assert_eq!(lines(&*engine, &workload.session, None).await, ["hello"]);
    assert_eq!(engine.usage(&workload.session).await.unwrap(), None);
    // The same run may be asked for again: it is not known any more.
    engine.ensure(&workload).await.unwrap();
    until(&*engine, &workload.session, |state| matches!(state.stage, Stage::Running { .. })).await;
    engine.remove(&workload.session).await.unwrap();
}

pub async fn a_program_that_is_asked_to_end_may_end_in_order(subject: &mut impl Subject) {
    let engine = subject.engine();
    let polite = "trap 'echo putting things away; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let workload = script(subject, "alice", polite);
    engine.ensure(&workload).await.unwrap();
    says(&*engine, &workload.session, "ready").await;
    stop(&*engine, &workload.session).await;
    assert!(lines(&*engine, &workload.session, None).await.contains(&"putting things away".to_owned()));
    engine.remove(&workload.session).await.unwrap();
}

pub async fn what_is_removed_leaves_nothing_but_its_home(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), script(subject, "alice", "echo kept > ~/file; echo done; sleep 1000"));
    engine.ensure(&workload).await.unwrap();
    says(&*engine, &workload.session, "done").await;
    // While it runs, a second time, and where there was never anything.
    engine.remove(&workload.session).await.unwrap();
    engine.remove(&workload.session).await.unwrap();
    engine.remove(&SessionId("alice-contract-ffffffff".into())).await.unwrap();
    assert_eq!(engine.state(&workload.session).await.unwrap(), None);
    assert!(lines(&*engine, &workload.session, None).await.is_empty());
    let later = script(subject, "alice", "cat ~/file; sleep 1000");
    engine.ensure(&later).await.unwrap();
    says(&*engine, &later.session, "kept").await;
    engine.remove(&later.session).await.unwrap();
}

pub async fn names_that_lead_elsewhere_are_refused(subject: &mut impl Subject) {
    let (engine, good) = (subject.engine(), script(subject, "alice", "sleep 1000"));
    for name in ["", "..", "a/b", "-x", "UPPER", "a b"] {
        let bad = SessionId(name.into());
        let workload = Workload { session: bad.clone(), ..good.clone() };
        assert!(engine.ensure(&workload).await.is_err(), "{name:?}");
        assert!(engine.stop(&bad).await.is_err(), "{name:?}");
        assert!(engine.remove(&bad).await.is_err(), "{name:?}");
        assert!(engine.dial(&bad, 8000).await.is_err(), "{name:?}");
        let elsewhere = Workload { home: Home::Persistent(name.into()), ..good.clone() };
        assert!(engine.ensure(&elsewhere).await.is_err(), "home {name:?}");
        assert!(engine.remove_home(name).await.is_err(), "home {name:?}");
    }
    engine.ensure(&good).await.unwrap();
    engine.remove(&good.session).await.unwrap();
}

pub async fn a_watch_begins_with_the_present_and_goes_on_with_each_change(subject: &mut impl Subject) {
    let engine = subject.engine();
    let (one, two) = (script(subject, "alice", "sleep 1000"), script(subject, "bob", "sleep 1000"));
    for workload in [&one, &two] {
        engine.ensure(workload).await.unwrap();
        until(&*engine, &workload.session, |state| matches!(state.stage, Stage::Running { .. })).await;
    }
    let mut events = engine.watch();
    let mut next = async || tokio::time::timeout(PATIENCE, events.next()).await.expect("an event").unwrap();
    assert!(matches!(next().await, WorkloadEvent::Init));
    let mut present = BTreeSet::new();
    loop {
        match next().await {
            WorkloadEvent::Apply(state) => present.insert(state.session),
            WorkloadEvent::InitDone => break,
            other => panic!("{other:?} in the list"),
        };
    }
    assert_eq!(present, BTreeSet::from([one.session.clone(), two.session.clone()]));
    engine.remove(&one.session).await.unwrap();
    loop {
        match next().await {
            WorkloadEvent::Gone(session) => break assert_eq!(session, one.session),
            // A watch may begin anew at any time.
            WorkloadEvent::Apply(_) | WorkloadEvent::Init | WorkloadEvent::InitDone => {}
        }
    }
    engine.remove(&two.session).await.unwrap();
}

pub async fn another_server_finds_what_runs_and_what_ended(subject: &mut impl Subject) {
    let engine = subject.engine();
    let (runs, ends) = (counter(subject, "alice"), script(subject, "alice", "exit 3"));
    let before = listening(&*engine, &runs).await;
    let first = count(&*engine, &runs.session).await;
    let ended = ending(&*engine, &ends).await;
    drop(engine);
    subject.restart().await;
    let engine = subject.engine();
    let found = until(&*engine, &runs.session, |_| true).await;
    assert_eq!((found.started_at, found.run, &found.stage), (before.started_at, 1, &before.stage));
    assert_eq!(count(&*engine, &runs.session).await, first + 1);
    // Asked for again, as a controller does, it stays what it is.
    engine.ensure(&runs).await.unwrap();
    assert_eq!(count(&*engine, &runs.session).await, first + 2);
    assert_eq!(ending(&*engine, &ends).await.exit_code, ended.exit_code);
    for workload in [&runs, &ends] {
        engine.remove(&workload.session).await.unwrap();
    }
}

pub async fn ports_of_the_workload_are_reached_and_no_others(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), counter(subject, "alice"));
    assert!(matches!(engine.dial(&workload.session, 8000).await, Err(EngineError::NotRunning(_))));
    let workload = Workload { ports: vec![8000, 8002], ..workload };
    listening(&*engine, &workload).await;
    count(&*engine, &workload.session).await;
    assert!(matches!(engine.dial(&workload.session, 8001).await, Err(EngineError::NoSuchPort { port: 8001, .. })));
    let closed = engine.dial(&workload.session, 8002).await;
    assert!(matches!(closed, Err(EngineError::Unreachable { port: 8002, .. })), "{:?}", closed.err());
    stop(&*engine, &workload.session).await;
    assert!(matches!(engine.dial(&workload.session, 8000).await, Err(EngineError::NotRunning(_))));
    engine.remove(&workload.session).await.unwrap();
}

pub async fn output_is_kept_in_order_and_its_end_is_told_first(subject: &mut impl Subject) {
    let engine = subject.engine();
    let workload = script(subject, "alice", "seq 1 200000; echo the end; sleep 1000");
    assert!(lines(&*engine, &workload.session, None).await.is_empty());
    engine.ensure(&workload).await.unwrap();
    says(&*engine, &workload.session, "the end").await;
    assert_eq!(lines(&*engine, &workload.session, Some(3)).await, ["199999", "200000", "the end"]);
    let all = lines(&*engine, &workload.session, None).await;
    let numbers: Vec<u32> = all.iter().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers.last() == Some(&200_000));
    engine.remove(&workload.session).await.unwrap();
}

pub async fn output_is_followed_through_runs_until_the_end(subject: &mut impl Subject) {
    let engine = subject.engine();
    let first = script(subject, "alice", "echo first; sleep 1000");
    engine.ensure(&first).await.unwrap();
    says(&*engine, &first.session, "first").await;
    let lines =
        engine.logs(&first.session, LogQuery { tail: Some(1), follow: true, ..LogQuery::default() }).await.unwrap();
    let mut lines = lines.map(Result::unwrap).filter(|line| std::future::ready(line.stream != "system"));
    assert_eq!(lines.next().await.unwrap().text, "first");
    let command = ["sh", "-c", "echo second; sleep 1000"].map(str::to_owned).to_vec();
    engine.ensure(&Workload { run: 2, command, ..first.clone() }).await.unwrap();
    let second = tokio::time::timeout(PATIENCE, lines.next()).await.expect("the next run is followed");
    assert_eq!(second.unwrap().text, "second");
    engine.remove(&first.session).await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, lines.count()).await.is_ok(), "it ends with the session");
}

pub async fn usage_is_told_while_it_runs(subject: &mut impl Subject) {
    let engine = subject.engine();
    let workload = Workload {
        limits: Limits { cpu_millicores: 1000, memory_bytes: 400 << 20, gpus: 0 },
        ..workload(subject, "alice", subject.hungry(150))
    };
    assert_eq!(engine.usage(&workload.session).await.unwrap(), None);
    engine.ensure(&workload).await.unwrap();
    until(&*engine, &workload.session, |state| matches!(state.stage, Stage::Running { .. })).await;
    let taken = async {
        loop {
            if let Some(usage) = engine.usage(&workload.session).await.unwrap()
                && usage.memory_bytes > 150 << 20
            {
                return usage;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let usage = tokio::time::timeout(PATIENCE, taken).await.expect("the memory that it takes shows");
    assert!(usage.memory_bytes < 400 << 20 && usage.memory_limit_bytes == 400 << 20, "{usage:?}");
    assert!(usage.cpu_micros > 0, "{usage:?}");
    stop(&*engine, &workload.session).await;
    assert_eq!(engine.usage(&workload.session).await.unwrap(), None);
    engine.remove(&workload.session).await.unwrap();
}

pub async fn the_program_finds_its_environment_and_its_home(subject: &mut impl Subject) {
    let engine = subject.engine();
    let mut workload = script(subject, "alice", "echo \"$GREETING, $USER\"; cd; pwd; echo \"$HOME\"; sleep 1000");
    workload.env.insert("GREETING".into(), "good morning".into());
    // A template does not say who somebody is.
    workload.env.insert("USER".into(), "root".into());
    engine.ensure(&workload).await.unwrap();
    says(&*engine, &workload.session, "good morning, alice").await;
    until(&*engine, &workload.session, |state| matches!(state.stage, Stage::Running { .. })).await;
    let said = async {
        while lines(&*engine, &workload.session, None).await.len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("three lines");
    assert_eq!(lines(&*engine, &workload.session, Some(2)).await, ["/home/user", "/home/user"]);
    engine.remove(&workload.session).await.unwrap();
}

pub async fn a_home_outlives_its_sessions_and_belongs_to_one_person(subject: &mut impl Subject) {
    let engine = subject.engine();
    let writes = script(subject, "alice", "echo mine > ~/secret; echo written; sleep 1000");
    engine.ensure(&writes).await.unwrap();
    says(&*engine, &writes.session, "written").await;
    // At the same time in another session of the same person, and never in another person's.
    let reads = "cat ~/secret || echo nothing; sleep 1000";
    let (own, other) = (script(subject, "alice", reads), script(subject, "mallory", reads));
    for (workload, seen) in [(&own, "mine"), (&other, "nothing")] {
        engine.ensure(workload).await.unwrap();
        says(&*engine, &workload.session, seen).await;
    }
    for workload in [&writes, &own, &other] {
        engine.remove(&workload.session).await.unwrap();
    }
    let later = script(subject, "alice", reads);
    engine.ensure(&later).await.unwrap();
    says(&*engine, &later.session, "mine").await;
    engine.remove(&later.session).await.unwrap();
}

pub async fn an_ephemeral_home_is_empty_and_goes_with_its_session(subject: &mut impl Subject) {
    let engine = subject.engine();
    let text = "ls -A ~ | wc -l | tr -d ' '; echo left > ~/behind; echo written; sleep 1000";
    let first = Workload { home: Home::Ephemeral, ..script(subject, "alice", text) };
    engine.ensure(&first).await.unwrap();
    says(&*engine, &first.session, "written").await;
    assert_eq!(lines(&*engine, &first.session, None).await[0], "0");
    engine.remove(&first.session).await.unwrap();
    engine.ensure(&first).await.unwrap();
    says(&*engine, &first.session, "written").await;
    assert_eq!(lines(&*engine, &first.session, None).await[0], "0", "nothing is left of the first");
    engine.remove(&first.session).await.unwrap();
}

pub async fn a_home_is_gone_when_that_is_asked(subject: &mut impl Subject) {
    let engine = subject.engine();
    let workload =
        script(subject, "carol", "cat ~/secret 2>&- || echo nothing; echo mine > ~/secret; echo end; sleep 1000");
    assert_eq!(engine.home_usage("home-carol").await.unwrap(), None);
    for _ in 0..2 {
        engine.ensure(&workload).await.unwrap();
        says(&*engine, &workload.session, "end").await;
        assert_eq!(lines(&*engine, &workload.session, None).await, ["nothing", "end"]);
        engine.remove(&workload.session).await.unwrap();
        engine.remove_home("home-carol").await.unwrap();
        engine.remove_home("home-carol").await.unwrap();
    }
    assert_eq!(engine.home_usage("home-carol").await.unwrap(), None);
}

pub async fn a_program_that_ends_at_once_is_told_with_its_status_and_last_words(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), script(subject, "alice", "echo no display >&2; exit 3"));
    let ending = ending(&*engine, &workload).await;
    assert_eq!((ending.reason, ending.exit_code), (Some(Reason::ExitedAtOnce), Some(3)));
    assert!(ending.message.contains("no display"), "{ending:?}");
    engine.remove(&workload.session).await.unwrap();
}

pub async fn a_program_that_is_not_there_is_told(subject: &mut impl Subject) {
    let (engine, workload) = (subject.engine(), workload(subject, "alice", vec!["no-such-program".into()]));
    let ending = ending(&*engine, &workload).await;
    assert_eq!(ending.reason, Some(Reason::ProgramMissing), "{ending:?}");
    assert!(ending.message.contains("no-such-program"), "{ending:?}");
    engine.remove(&workload.session).await.unwrap();
}

pub async fn a_program_that_does_not_listen_in_time_is_told(subject: &mut impl Subject) {
    let engine = subject.engine();
    let (silent, speaks) =
        (Workload { ports: vec![8000], ..script(subject, "alice", "sleep 1000") }, counter(subject, "alice"));
    let ending = ending(&*engine, &silent).await;
    assert_eq!(ending.reason, Some(Reason::PortNeverOpened), "{ending:?}");
    assert!(ending.message.contains("8000"), "{ending:?}");
    listening(&*engine, &speaks).await;
    for workload in [&silent, &speaks] {
        engine.remove(&workload.session).await.unwrap();
    }
}

pub async fn a_program_that_needs_too_much_memory_is_told(subject: &mut impl Subject) {
    let engine = subject.engine();
    let of = |mib: u64| Workload {
        limits: Limits { cpu_millicores: 1000, memory_bytes: mib << 20, gpus: 0 },
        ..workload(subject, "alice", subject.hungry(200))
    };
    let (small, large) = (of(100), of(800));
    engine.ensure(&large).await.unwrap();
    let ending = ending(&*engine, &small).await;
    assert_eq!(ending.reason, Some(Reason::OutOfMemory), "{ending:?}");
    until(&*engine, &large.session, |state| matches!(state.stage, Stage::Running { .. })).await;
    for workload in [&small, &large] {
        engine.remove(&workload.session).await.unwrap();
    }
}

pub async fn requirements_are_looked_for_where_programs_are_the_hosts(subject: &mut impl Subject) {
    let engine = subject.engine();
    let [there, absent] = ["sh", "no-such-program"]
        .map(|program| Requirement { program: program.into(), install: format!("apt-get install {program}") });
    let missing = engine.missing(&[there, absent.clone()]).await.unwrap();
    if !subject.knows_the_host() {
        return assert_eq!(missing, []);
    }
    assert_eq!(missing, std::slice::from_ref(&absent));
    let workload = Workload { requires: vec![absent], ..script(subject, "alice", "sleep 1000") };
    let ending = ending(&*engine, &workload).await;
    assert_eq!(ending.reason, Some(Reason::ProgramMissing), "{ending:?}");
    assert!(ending.message.contains("apt-get install no-such-program"), "{ending:?}");
    engine.remove(&workload.session).await.unwrap();
}
