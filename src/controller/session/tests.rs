//! The pure steps: YAML in, decision out, with no database and no engine.

use jiff::SignedDuration;
use serde_json::json;

use super::{
    build::{EngineCall, Wanted, build},
    *,
};
use crate::domain::origins::Routing;
use crate::{
    crd::{Phase, Reason, SessionStatus},
    domain::keys,
    engine::{Ending, Trouble},
};

fn noon() -> Timestamp {
    "2030-01-01T12:00:00Z".parse().unwrap()
}

fn session(spec: &str) -> Session {
    let mut session: Session = serde_saphyr::from_str(&format!(
        "apiVersion: stream.streamspace.io/v1alpha1\nkind: Session\n\
         metadata: {{ name: alice-t-1, uid: u1, generation: 1, finalizers: [{}] }}\n\
         spec: {{ user: alice, template: t, {spec} }}",
        keys::FINALIZER
    ))
    .unwrap();
    session.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(noon()));
    session
}

fn found() -> Found {
    let template = serde_saphyr::from_str(
        "apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: { name: t }\n\
         spec: { displayName: T, baseImage: i, webapp: { port: 80, path: /lab }, idleTimeout: 30m, local: { command: [sleep, '1'] } }",
    );
    Found {
        now: noon(),
        epoch: Some(Epoch(7)),
        template: Some(Arc::new(template.unwrap())),
        workload: None,
        foreign: false,
        live: Live::default(),
        reachable: false,
        user_refused: None,
        images: false,
        missing: vec![],
        closed: None,
        granted: true,
        budget: Budget::default(),
        stopped_because: None,
        ceilings: Ceilings::default(),
        terminated_ttl: Duration::from_hours(168),
        public_url: "http://localhost:8000/".parse().unwrap(),
        hosts: Hosts::new(&"http://localhost:8000/".parse().unwrap(), "localhost:8000", Routing::Subdomain),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what is found is an option")]
fn workload(run: i64, stage: Stage) -> Option<WorkloadState> {
    Some(WorkloadState {
        session: crate::engine::SessionId("alice-t-1".into()),
        session_uid: "u1".into(),
        run,
        kind: "Sandbox".into(),
        name: "alice-t-1".into(),
        node: None,
        started_at: Some(noon()),
        stage,
        limits_missing: None,
        trouble: None,
        network_missing: None,
    })
}

fn died(run: i64, reason: Reason) -> Option<WorkloadState> {
    workload(
        run,
        Stage::Ended(Ending { reason: Some(reason), message: "It died.".into(), exit_code: Some(1), at: noon() }),
    )
}

/// One round: decide, and take the decision's status as the session's.
fn step(session: &mut Session, found: &Found) -> Wanted {
    let wanted = build(session, &validate::validate(session, found), found);
    session.status = Some(wanted.status.clone());
    wanted
}

fn status(session: &Session) -> &SessionStatus {
    session.status.as_ref().unwrap()
}

/// Whether a condition holds, and why.
fn condition(session: &Session, type_: &str) -> Option<(String, String)> {
    let found = status(session).conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status.clone(), found.reason.clone()))
}

fn running_session() -> (Session, Found) {
    let (mut session, mut found) = (session(""), found());
    step(&mut session, &found);
    found.workload = workload(1, Stage::Running { listening: true });
    found.reachable = true;
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Running);
    (session, found)
}

#[test]
fn a_session_waits_while_none_can_be_started_and_one_that_runs_goes_on() {
    let (mut session, mut found) = (session(""), found());
    found.closed = Some("This machine is cordoned.".into());
    let waiting = step(&mut session, &found);
    assert_eq!((session.phase(), waiting.call), (Phase::Pending, None));
    let verdict = status(&session).doctor.clone().unwrap();
    assert_eq!((verdict.reason, verdict.message.as_str()), (Reason::Unschedulable, "This machine is cordoned."));
    let admitted = status(&session).conditions.iter().find(|condition| condition.type_ == "Admitted").unwrap();
    assert_eq!((admitted.status.as_str(), admitted.reason.as_str()), ("False", "Unschedulable"));
    found.closed = None;
    assert!(matches!(step(&mut session, &found).call, Some(EngineCall::Ensure(_))));
    assert_eq!((session.phase(), status(&session).doctor.clone()), (Phase::Starting, None));
    let (mut running, mut found) = running_session();
    found.closed = Some("This machine is cordoned.".into());
    step(&mut running, &found);
    assert_eq!(running.phase(), Phase::Running);
}

#[test]
fn a_new_session_starts_its_first_run_at_once() {
    let (mut session, found) = (session(""), found());
    let wanted = step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    let Some(EngineCall::Ensure(workload)) = wanted.call else { panic!("{wanted:?}") };
    assert_eq!((workload.run, workload.command.as_slice()), (1, ["sleep".to_owned(), "1".to_owned()].as_slice()));
    assert_eq!(workload.home, crate::engine::Home::Persistent("home-alice".into()));
}

#[test]
fn a_template_that_was_not_granted_what_it_wants_starts_nothing_until_it_is() {
    let (mut session, mut found) = (session(""), found());
    found.granted = false;
    assert_eq!(step(&mut session, &found).call, None);
    assert_eq!(
        (session.phase(), status(&session).doctor.as_ref().unwrap().reason),
        (Phase::Failed, Reason::PolicyRefused)
    );
    found.granted = true;
    session.metadata.annotations = Some([(keys::RESTARTED_AT.to_owned(), "once more".to_owned())].into());
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
}

#[test]
fn running_means_that_the_program_answered() {
    let (mut session, mut found) = (session(""), found());
    step(&mut session, &found);
    found.workload = workload(1, Stage::Running { listening: false });
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    found.workload = workload(1, Stage::Running { listening: true });
    let waiting = step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    assert!(waiting.look_again.is_some());
    found.reachable = true;
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Running);
    assert_eq!(status(&session).url.as_deref(), Some("http://alice-t-1.localhost:8000/lab"));
}

#[test]
fn reconciling_again_changes_nothing() {
    let (mut session, found) = running_session();
    let before = session.status.clone();
    let wanted = step(&mut session, &found);
    assert_eq!(session.status, before);
    assert_eq!((wanted.call, wanted.patch), (None, None));
}

#[test]
fn a_workload_that_dies_is_started_again_after_a_growing_wait_and_the_third_time_is_the_last() {
    let (mut session, mut found) = running_session();
    found.workload = died(1, Reason::ExitedAtOnce);
    let first = step(&mut session, &found);
    assert_eq!((session.phase(), first.call, status(&session).run), (Phase::Starting, None, 2));
    assert_eq!(first.look_again, Some(noon() + SignedDuration::from_secs(1)));
    assert_eq!(status(&session).doctor.as_ref().unwrap().reason, Reason::ExitedAtOnce);
    found.now += SignedDuration::from_secs(1);
    let again = step(&mut session, &found);
    assert!(matches!(again.call, Some(EngineCall::Ensure(workload)) if workload.run == 2));
    found.workload = died(2, Reason::ExitedAtOnce);
    let second = step(&mut session, &found);
    assert_eq!(second.look_again, Some(found.now + SignedDuration::from_secs(5)));
    found.now += SignedDuration::from_secs(5);
    found.workload = died(3, Reason::ExitedAtOnce);
    let third = step(&mut session, &found);
    assert_eq!((session.phase(), third.call), (Phase::Failed, Some(EngineCall::Stop)));
}

#[test]
fn a_workload_that_is_taken_away_starts_again_at_once_and_that_is_no_failure() {
    let (mut session, mut found) = running_session();
    let trouble = Trouble { reason: Reason::Evicted, message: "Its node is being emptied.".into() };
    found.workload = workload(1, Stage::Stopping).map(|ending| WorkloadState { trouble: Some(trouble), ..ending });
    found.reachable = false;
    assert_eq!(step(&mut session, &found).call, None);
    assert_eq!((session.phase(), status(&session).failures.len()), (Phase::Starting, 0));
    found.workload = None;
    let wanted = step(&mut session, &found);
    assert!(matches!(wanted.call, Some(EngineCall::Ensure(again)) if again.run == 1));
    assert!(status(&session).failures.is_empty() && status(&session).doctor.is_none());
}

#[test]
fn failures_long_ago_do_not_count() {
    let (mut session, mut found) = running_session();
    for run in 1..=4 {
        found.workload = died(run, Reason::OutOfMemory);
        step(&mut session, &found);
        assert_eq!(session.phase(), Phase::Starting, "run {run}");
        found.now += SignedDuration::from_mins(11);
    }
}

#[test]
fn what_another_try_cannot_mend_fails_at_once_and_starts_again_when_asked() {
    let (mut session, mut found) = (session(""), found());
    found.missing =
        vec![Requirement { program: "Xvnc".into(), install: "apt-get install tigervnc-standalone-server".into() }];
    let wanted = step(&mut session, &found);
    assert_eq!((session.phase(), wanted.call), (Phase::Failed, None));
    let verdict = status(&session).doctor.clone().unwrap();
    assert_eq!(verdict.reason, Reason::ProgramMissing);
    assert!(verdict.message.contains("apt-get install tigervnc"), "{verdict:?}");
    found.missing.clear();
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Failed, "nobody asked");
    session.metadata.annotations = Some([(keys::RESTARTED_AT.to_owned(), "now".to_owned())].into());
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    assert_eq!(status(&session).doctor, None);
}

#[test]
fn a_session_hibernates_stops_its_workload_and_wakes_with_a_new_run() {
    let (mut session, mut found) = running_session();
    session.spec.state = crate::crd::DesiredState::Hibernated;
    session.metadata.generation = Some(2);
    let stopping = step(&mut session, &found);
    assert_eq!((session.phase(), stopping.call), (Phase::Hibernating, Some(EngineCall::Stop)));
    found.workload = None;
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Hibernated);
    session.spec.state = crate::crd::DesiredState::Running;
    session.metadata.generation = Some(3);
    let woken = step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    assert!(matches!(woken.call, Some(EngineCall::Ensure(workload)) if workload.run == 2));
}

#[test]
fn what_explained_the_last_stop_is_gone_after_a_wake_whoever_asked_for_it() {
    let (mut session, mut found) = (session(""), found());
    let mark = |wanted: &Wanted| wanted.patch.as_ref().map(|patch| patch["metadata"]["annotations"].clone());
    assert_eq!(mark(&step(&mut session, &found)), None, "nothing was marked");
    session.spec.state = crate::crd::DesiredState::Hibernated;
    found.stopped_because = Some("Idle".into());
    assert_eq!(mark(&step(&mut session, &found)), None, "it sleeps for that reason");
    // As by kubectl, which changes the one field.
    session.spec.state = crate::crd::DesiredState::Running;
    assert_eq!(mark(&step(&mut session, &found)), Some(json!({ keys::STOPPED_BECAUSE: null })));
}

#[test]
fn a_wake_that_is_asked_while_it_falls_asleep_follows() {
    let (mut session, mut found) = running_session();
    session.spec.state = crate::crd::DesiredState::Hibernated;
    step(&mut session, &found);
    session.spec.state = crate::crd::DesiredState::Running;
    let still = step(&mut session, &found);
    assert_eq!((session.phase(), still.call), (Phase::Hibernating, Some(EngineCall::Stop)));
    found.workload = None;
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
}

#[test]
fn the_clock_of_a_node_that_is_behind_stops_no_session_early() {
    let (mut session, mut found) = running_session();
    let behind = found.workload.as_mut().unwrap();
    behind.started_at = Some(noon() - SignedDuration::from_hours(1));
    let wanted = step(&mut session, &found);
    assert_eq!((wanted.patch, wanted.warning), (None, None));
    let stops_at = status(&session).idle.as_ref().unwrap().stops_at.as_ref().unwrap().0;
    assert_eq!(stops_at, noon() + SignedDuration::from_mins(30));
}

#[test]
fn what_waits_for_the_node_of_its_home_asks_again_whether_it_still_has_to() {
    for (reason, asks) in [(Reason::VolumeAttachedElsewhere, true), (Reason::Unschedulable, false)] {
        let (mut session, mut found) = (session(""), found());
        step(&mut session, &found);
        found.workload = workload(1, Stage::Preparing { waiting_for: "Waiting for a node.".into() });
        found.workload.as_mut().unwrap().trouble = Some(Trouble { reason, message: "It waits.".into() });
        let wanted = step(&mut session, &found);
        assert_eq!(matches!(&wanted.call, Some(EngineCall::Ensure(same)) if same.run == 1), asks, "{wanted:?}");
        assert_eq!(wanted.look_again, asks.then(|| noon() + SignedDuration::from_secs(5)));
    }
}

#[test]
fn an_idle_session_is_warned_about_and_then_stopped_with_its_reason() {
    let (mut session, mut found) = running_session();
    found.now += SignedDuration::from_mins(26);
    let warned = step(&mut session, &found);
    assert_eq!(warned.patch, None);
    let warning = warned.warning.unwrap();
    assert_eq!((warning.reason, warning.stops_at), ("IdleStop", noon() + SignedDuration::from_mins(30)));
    found.now = noon() + SignedDuration::from_mins(31);
    let stopped = step(&mut session, &found);
    assert_eq!(stopped.patch.unwrap()["spec"], json!({ "state": "hibernated" }));
}

#[test]
fn activity_postpones_the_idle_stop() {
    let (mut session, mut found) = running_session();
    found.now += SignedDuration::from_mins(31);
    found.live.last_activity = Some(noon() + SignedDuration::from_mins(20));
    let wanted = step(&mut session, &found);
    assert_eq!((wanted.patch, wanted.warning), (None, None));
    assert_eq!(
        status(&session).idle.as_ref().unwrap().stops_at.as_ref().unwrap().0,
        noon() + SignedDuration::from_mins(50)
    );
}

#[test]
fn the_longest_duration_ends_a_session_however_active_it_is() {
    let (mut session, mut found) = running_session();
    session.spec.max_session_duration = Some("8h".into());
    found.now += SignedDuration::from_hours(8);
    found.live.last_activity = Some(found.now);
    let wanted = step(&mut session, &found);
    assert_eq!(wanted.patch.unwrap()["spec"], json!({ "state": "terminated" }));
}

#[test]
fn live_figures_do_not_write_the_status_each_time() {
    let (mut session, mut found) = running_session();
    found.now += SignedDuration::from_mins(2);
    found.live =
        Live { last_activity: Some(found.now), last_cause: "keys".into(), connections: 1, snoozed_until: None };
    step(&mut session, &found);
    let before = session.status.clone();
    found.now += SignedDuration::from_secs(30);
    found.live.last_activity = Some(found.now);
    step(&mut session, &found);
    assert_eq!(session.status, before);
    found.now += SignedDuration::from_mins(6);
    found.live.last_activity = Some(found.now);
    step(&mut session, &found);
    assert_ne!(session.status, before);
}

#[test]
fn a_restart_of_the_host_hibernates_with_that_reason() {
    let (mut session, mut found) = running_session();
    found.workload = died(1, Reason::HostRestarted);
    let wanted = step(&mut session, &found);
    assert_eq!(wanted.patch.unwrap()["spec"], json!({ "state": "hibernated" }));
    assert_eq!(status(&session).doctor.as_ref().unwrap().reason, Reason::HostRestarted);
}

#[test]
fn a_session_that_no_limit_allows_waits_and_says_so_and_starts_when_there_is_room() {
    let (mut session, found) = (session(""), found());
    let verdict = crate::domain::doctor::verdict(Reason::QuotaExceeded, "Full.", noon());
    let wanted = build(&session, &Plan::Wait(verdict), &found);
    assert_eq!((wanted.call.as_ref(), wanted.look_again), (None, Some(noon() + SignedDuration::from_secs(5))));
    session.status = Some(wanted.status);
    assert_eq!(session.phase(), Phase::Pending);
    assert_eq!(condition(&session, "Admitted"), Some(("False".into(), "QuotaExceeded".into())));
    assert_eq!(condition(&session, "TemplateResolved"), Some(("True".into(), "Found".into())));
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
    assert_eq!(condition(&session, "Admitted"), Some(("True".into(), "Admitted".into())));
}

#[test]
fn a_session_is_warned_when_a_budget_is_spent_and_goes_to_sleep_when_the_grace_is_over() {
    let (mut session, mut found) = running_session();
    assert_eq!(step(&mut session, &found).warning, None);
    let end = noon() + SignedDuration::from_mins(30);
    found.budget.ends = Some(end);
    let warned = step(&mut session, &found);
    let warning = warned.warning.expect("a warning");
    assert_eq!((warning.reason, warning.stops_at, warned.patch), ("BudgetSpent", end, None));
    found.now = end;
    found.live.last_activity = Some(end);
    let stopped = step(&mut session, &found).patch.expect("a change of the spec");
    assert_eq!(stopped["spec"]["state"], "hibernated");
    assert_eq!(stopped["metadata"]["annotations"][keys::STOPPED_BECAUSE], "BudgetSpent");
}

#[test]
fn a_session_says_when_little_is_left_of_a_budget_and_when_there_is_more_again() {
    let (mut session, mut found) = running_session();
    step(&mut session, &found);
    assert_eq!(condition(&session, "BudgetLeft"), None);
    found.budget.little = Some("80 % or more of 10 CPU-hours are used.".into());
    step(&mut session, &found);
    assert_eq!(condition(&session, "BudgetLeft"), Some(("False".into(), "BudgetLow".into())));
    found.budget.little = None;
    step(&mut session, &found);
    assert_eq!(condition(&session, "BudgetLeft"), Some(("True".into(), "Enough".into())));
}

#[test]
fn a_session_without_its_template_waits_and_starts_when_it_comes() {
    let (mut session, mut found) = (session(""), found());
    let template = found.template.take();
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Pending);
    assert!(status(&session).doctor.as_ref().unwrap().message.contains("no template"));
    found.template = template;
    step(&mut session, &found);
    assert_eq!(session.phase(), Phase::Starting);
}

#[test]
fn what_runs_goes_on_when_its_template_goes() {
    let (mut session, mut found) = running_session();
    found.template = None;
    let wanted = step(&mut session, &found);
    assert_eq!((session.phase(), wanted.call), (Phase::Running, None));
}

#[test]
fn a_deleted_session_leaves_only_when_nothing_of_it_is_left() {
    let (mut session, mut found) = running_session();
    session.metadata.deletion_timestamp = session.metadata.creation_timestamp.clone();
    let first = step(&mut session, &found);
    assert_eq!((first.call, first.finalizer), (Some(EngineCall::Stop), None));
    found.workload = None;
    let last = step(&mut session, &found);
    assert_eq!((last.call, last.finalizer), (Some(EngineCall::Remove), Some(false)));
}

#[test]
fn a_terminated_session_is_removed_after_its_time() {
    let (mut session, mut found) = running_session();
    session.spec.state = crate::crd::DesiredState::Terminated;
    step(&mut session, &found);
    found.workload = None;
    let ended = step(&mut session, &found);
    assert_eq!((session.phase(), ended.delete), (Phase::Terminated, false));
    found.now += SignedDuration::from_hours(168);
    assert!(step(&mut session, &found).delete);
}

#[test]
fn a_workload_of_an_earlier_session_of_that_name_goes_first() {
    let (mut session, mut found) = (session(""), found());
    found.foreign = true;
    let wanted = step(&mut session, &found);
    assert_eq!((session.phase(), wanted.call), (Phase::Pending, Some(EngineCall::Remove)));
}

#[test]
fn every_chain_of_events_keeps_to_the_table_of_transitions() {
    // `Draft::go_silently` asserts the table; this walks through random worlds to reach its corners.
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut session, mut found) = (session(""), found());
        for generation in 1..40 {
            let run = session.status.as_ref().map_or(1, |status| status.run);
            found.now += SignedDuration::from_secs(random.random_range(0..400));
            found.reachable = random.random_bool(0.5);
            found.missing = if random.random_bool(0.1) { vec![Requirement::default()] } else { vec![] };
            found.workload = match random.random_range(0..6) {
                0 => None,
                1 => died(run, Reason::ExitedAtOnce),
                2 => died(run, Reason::HostRestarted),
                3 => workload(run, Stage::Preparing { waiting_for: "…".into() }),
                _ => workload(run, Stage::Running { listening: random.random_bool(0.8) }),
            };
            if session.spec.state != crate::crd::DesiredState::Terminated && random.random_bool(0.2) {
                session.metadata.generation = Some(generation);
                session.spec.state = match random.random_range(0..10) {
                    0 => crate::crd::DesiredState::Terminated,
                    1..5 => crate::crd::DesiredState::Hibernated,
                    _ => crate::crd::DesiredState::Running,
                };
            }
            step(&mut session, &found);
        }
    }
}
