//! The pure step: from what is asked and what was found to what is to be done and to be shown.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Found, Plan,
    draft::{Draft, moment},
};
use crate::{
    crd::{DesiredState, EventType, LifecycleType, Phase, Reason, Session, SessionStatus, Verdict},
    domain::{activity, doctor, keys, time::second},
    engine::{Ending, Stage, Workload, WorkloadState},
};

/// How long a program that listens may take to answer before it is asked again.
const PROBE_AGAIN: SignedDuration = SignedDuration::from_millis(100);
/// After this long without a word from the engine it is asked again.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(2);
/// Activity is written down at most this long after it happened, so a stop waits as long.
const ACTIVITY_LAG: SignedDuration = SignedDuration::from_secs(15);
/// What waits for a limit asks again so often.
const QUOTA_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// What waits for the node of its home asks again so often.
const HOME_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// Said where the template is there.
const FOUND: &str = "The template was found.";
/// Status takes live figures at least this often while they change.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);

/// What the engine is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EngineCall {
    Ensure(Box<Workload>),
    Stop,
    Remove,
}

/// What is to be done, and to be shown once it is done.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The status to show.
    pub status: SessionStatus,
    /// What the engine has to do first.
    pub call: Option<EngineCall>,
    /// A change of the spec that the platform itself makes: a merge patch.
    pub patch: Option<Value>,
    /// Whether the finalizer is put on (`true`) or, after the call, taken off (`false`).
    pub finalizer: Option<bool>,
    /// Whether the object's time is over.
    pub delete: bool,
    /// When to look again without being called.
    pub look_again: Option<Timestamp>,
    /// A sentence for the person, with the moment it speaks of.
    pub warning: Option<Warning>,
}

/// What a person is told before a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub reason: &'static str,
    pub message: String,
    pub stops_at: Timestamp,
}

/// Decides; changes nothing.
pub(super) fn build(session: &Session, plan: &Plan, found: &Found) -> Wanted {
    let mut draft = Draft::new(session, found);
    if session.metadata.deletion_timestamp.is_some() {
        return remove(draft, found);
    }
    if !has_finalizer(session) {
        draft.wanted.finalizer = Some(true);
    }
    if found.foreign {
        // A workload of a session that had this name before: it has to go first.
        draft.wanted.call = Some(EngineCall::Remove);
        draft.look_again_in(SignedDuration::from_secs(1));
        return draft.finish();
    }
    match session.spec.state {
        DesiredState::Terminated => terminate(draft, found),
        DesiredState::Hibernated => hibernate(draft, session, found),
        DesiredState::Running if matches!(draft.phase(), Phase::Terminating | Phase::Terminated) => {
            terminate(draft, found)
        }
        DesiredState::Running => run(draft, session, plan, found),
    }
}

fn has_finalizer(session: &Session) -> bool {
    session.metadata.finalizers.iter().flatten().any(|name| name == keys::FINALIZER)
}

fn remove(mut draft: Draft, found: &Found) -> Wanted {
    if draft.phase() != Phase::Terminated {
        draft.go(
            Phase::Terminating,
            LifecycleType::TeardownTriggered,
            EventType::Normal,
            "The session is being deleted.",
        );
    }
    draft.show_stopped("Deleting", "The session is being deleted.");
    if found.workload.is_some() {
        draft.wanted.call = Some(EngineCall::Stop);
    } else {
        draft.wanted.call = Some(EngineCall::Remove);
        draft.wanted.finalizer = Some(false);
    }
    draft.finish()
}

fn terminate(mut draft: Draft, found: &Found) -> Wanted {
    if draft.phase() != Phase::Terminated {
        let because = match found.stopped_because.as_deref() {
            Some("MaxDuration") => "Its longest duration is over.",
            _ => "The session was ended.",
        };
        draft.go(Phase::Terminating, LifecycleType::TeardownTriggered, EventType::Normal, because);
        if found.workload.is_none() {
            draft.go(Phase::Terminated, LifecycleType::Deleted, EventType::Normal, "The session has ended.");
            draft.wanted.status.terminated_at = Some(second(found.now));
        }
    }
    if found.workload.is_some() {
        draft.wanted.call = Some(EngineCall::Stop);
    }
    draft.show_stopped("Terminated", "The session has ended.");
    if let Some(ended) = draft.wanted.status.terminated_at.as_ref() {
        let removal = moment(ended.0, found.terminated_ttl);
        draft.wanted.delete = removal <= found.now;
        draft.look_again_at(removal);
    }
    draft.finish()
}

fn hibernate(mut draft: Draft, session: &Session, found: &Found) -> Wanted {
    if draft.phase() != Phase::Hibernated {
        let because = hibernated_because(session, found);
        draft.go_silently(Phase::Hibernating);
        if found.workload.is_none() {
            draft.go(Phase::Hibernated, LifecycleType::Hibernated, EventType::Normal, because);
        }
        if found.stopped_because.as_deref() != Some("HostRestarted") {
            draft.wanted.status.doctor = None;
        }
        draft.wanted.status.failures.clear();
    }
    if found.workload.is_some() {
        draft.wanted.call = Some(EngineCall::Stop);
    }
    draft.show_stopped("Hibernated", "The session sleeps; its files are kept.");
    draft.observe(session);
    draft.finish()
}

fn hibernated_because(session: &Session, found: &Found) -> String {
    match found.stopped_because.as_deref() {
        Some("Idle") => "Stopped because nobody used it; the files are kept.".into(),
        Some("HostRestarted") => "The machine was restarted; the files are kept.".into(),
        Some("BudgetSpent") => "The budget of this month is spent; the files are kept.".into(),
        Some("Drain") => "Stopped because its machine is being emptied; the files are kept.".into(),
        Some("Disabled") => format!("The account {} was disabled.", session.spec.user),
        _ => "Stopped on request; the files are kept.".into(),
    }
}

fn run(mut draft: Draft, session: &Session, plan: &Plan, found: &Found) -> Wanted {
    if found.stopped_because.is_some() {
        // Whoever woke it (kubectl knows nothing of this mark) ended what the mark explains.
        draft.wanted.patch = Some(json!({ "metadata": { "annotations": { keys::STOPPED_BECAUSE: null } } }));
    }
    if draft.phase() == Phase::Hibernating {
        if found.workload.is_some() {
            draft.wanted.call = Some(EngineCall::Stop);
            return draft.finish();
        }
        draft.go(
            Phase::Hibernated,
            LifecycleType::Hibernated,
            EventType::Normal,
            "Stopped; a wake was asked meanwhile.",
        );
    }
    if draft.phase() == Phase::Hibernated {
        draft.go(Phase::Pending, LifecycleType::Resumed, EventType::Normal, "The session wakes.");
        draft.wanted.status.doctor = None;
        draft.wanted.status.failures.clear();
    }
    if draft.phase() == Phase::Failed && !asked_again(&mut draft, session) {
        draft.wanted.call = found.workload.is_some().then_some(EngineCall::Stop);
        return draft.finish();
    }
    draft.wanted.status.restarted_at =
        session.metadata.annotations.as_ref().and_then(|all| all.get(keys::RESTARTED_AT)).cloned();
    match plan {
        Plan::Run { .. } => {}
        Plan::Wait(verdict) | Plan::Refuse(verdict) if draft.phase() == Phase::Running && found.is_running() => {
            // What runs keeps what it started with; only the next start meets the change.
            draft.condition("TemplateResolved", false.into(), &format!("{:?}", verdict.reason), &verdict.message);
            return draft.finish();
        }
        Plan::Wait(verdict) => return wait(draft, verdict),
        Plan::Refuse(verdict) => return fail(draft, session, found, verdict.clone()),
    }
    advance(draft, session, plan, found)
}

/// Takes a failed session up again where the spec changed since, or somebody asked.
fn asked_again(draft: &mut Draft, session: &Session) -> bool {
    let again = asks_again(session);
    if again {
        draft.go_silently(Phase::Pending);
        draft.wanted.status.doctor = None;
        draft.wanted.status.failures.clear();
    }
    again
}

/// Whether the spec of a session that failed changed since, or somebody asked for another try.
pub(super) fn asks_again(session: &Session) -> bool {
    let asked = session.metadata.annotations.as_ref().and_then(|all| all.get(keys::RESTARTED_AT));
    let status = session.status.as_ref();
    let by_hand = asked.is_some() && asked != status.and_then(|status| status.restarted_at.as_ref());
    by_hand || session.metadata.generation != status.and_then(|status| status.observed_generation)
}

fn wait(mut draft: Draft, verdict: &Verdict) -> Wanted {
    if draft.phase() != Phase::Pending {
        // Only what has not started can wait: a start that lost its template has failed.
        draft.verdict(verdict.clone());
        draft.go(Phase::Failed, LifecycleType::Failed, EventType::Warning, &verdict.message);
    }
    let by_quota = matches!(verdict.reason, Reason::QuotaExceeded | Reason::BudgetSpent);
    if by_quota || verdict.reason == Reason::Unschedulable {
        draft.condition("TemplateResolved", true.into(), "Found", FOUND);
        draft.condition("Admitted", false.into(), &format!("{:?}", verdict.reason), &verdict.message);
        if by_quota {
            draft.look_again_in(QUOTA_AGAIN);
        }
    } else {
        draft.condition("TemplateResolved", false.into(), "NotFound", &verdict.message);
    }
    draft.verdict(verdict.clone());
    draft.show_not_ready(&verdict.message);
    draft.finish()
}

fn fail(mut draft: Draft, session: &Session, found: &Found, verdict: Verdict) -> Wanted {
    let admitted = !matches!(verdict.reason, Reason::ValidationFailed | Reason::PolicyRefused | Reason::UserUnknown);
    if !admitted {
        draft.condition("Admitted", false.into(), &format!("{:?}", verdict.reason), &verdict.message);
    }
    draft.go(Phase::Failed, LifecycleType::Failed, EventType::Warning, &verdict.message);
    draft.show_not_ready(&verdict.message);
    draft.verdict(verdict);
    draft.observe(session);
    draft.wanted.call = found.workload.is_some().then_some(EngineCall::Stop);
    draft.finish()
}

/// The way from accepted to reachable, and back when the workload dies.
fn advance(mut draft: Draft, session: &Session, plan: &Plan, found: &Found) -> Wanted {
    draft.observe(session);
    draft.condition("TemplateResolved", true.into(), "Found", FOUND);
    draft.condition("Admitted", true.into(), "Admitted", "The request is within all limits.");
    draft.wanted.status.observability.clone_from(&session.spec.observability);
    if draft.phase() == Phase::Pending {
        // What it waited for is there.
        draft.wanted.status.doctor = None;
        draft.wanted.status.run += 1;
        draft.go(Phase::Starting, LifecycleType::Starting, EventType::Normal, "The session starts.");
        draft.show_not_ready("The session starts.");
        draft.wanted.call = plan.ensure(draft.wanted.status.run);
        // What the engine told before this is written down is not told again.
        draft.look_again_in(LOST_AFTER);
        return draft.finish();
    }
    match &found.workload {
        None => lost(draft, session, plan, found),
        Some(workload) if workload.run < draft.wanted.status.run => again(draft, plan, workload, found),
        Some(workload) => follow(draft, session, plan, workload, found),
    }
}

/// There is no workload although there should be one.
fn lost(mut draft: Draft, session: &Session, plan: &Plan, found: &Found) -> Wanted {
    if draft.phase() == Phase::Running {
        let ending = Ending {
            reason: Some(Reason::Unknown),
            message: "The program disappeared without a word.".into(),
            exit_code: None,
            at: found.now,
        };
        return ended(draft, session, plan, &ending, found);
    }
    // Asked for before, or about to be asked for again after a failure: the engine knows a run that it has.
    again_when_due(&mut draft, plan, found);
    draft.finish()
}

/// What is there is of an earlier run.
fn again(mut draft: Draft, plan: &Plan, workload: &WorkloadState, found: &Found) -> Wanted {
    draft.show_workload(workload);
    again_when_due(&mut draft, plan, found);
    draft.finish()
}

fn again_when_due(draft: &mut Draft, plan: &Plan, found: &Found) {
    let failures = &draft.wanted.status.failures;
    let due = failures.last().map_or(found.now, |last| moment(last.0, doctor::back_off(failures.len())));
    if due <= found.now {
        draft.wanted.call = plan.ensure(draft.wanted.status.run);
        // Also the asking may get lost on the way; asking twice does no harm.
        draft.look_again_in(LOST_AFTER);
    } else {
        draft.look_again_at(due);
    }
}

/// The workload of the run that is wanted, whatever its stage.
fn follow(mut draft: Draft, session: &Session, plan: &Plan, workload: &WorkloadState, found: &Found) -> Wanted {
    draft.show_workload(workload);
    match &workload.stage {
        Stage::Preparing { waiting_for } => {
            draft.back_to_starting(waiting_for);
            if let Some(trouble) = &workload.trouble {
                draft.verdict(doctor::verdict(trouble.reason, &trouble.message, found.now));
                draft.show_not_ready(&trouble.message);
                if trouble.reason == Reason::VolumeAttachedElsewhere {
                    // The engine knows whether it is still so, and nobody tells it.
                    draft.wanted.call = plan.ensure(draft.wanted.status.run);
                    draft.look_again_in(HOME_AGAIN);
                }
            } else {
                draft.show_not_ready(waiting_for);
            }
            draft.finish()
        }
        Stage::Running { listening } if draft.phase() != Phase::Running && !(*listening && found.reachable) => {
            let waiting_for =
                if *listening { "Waiting for the first answer." } else { "Waiting for the program to open its port." };
            draft.condition("WorkloadReady", true.into(), "Running", "The program runs.");
            draft.show_not_ready(waiting_for);
            if *listening {
                draft.look_again_in(PROBE_AGAIN);
            }
            draft.finish()
        }
        Stage::Running { .. } => running(draft, session, plan, found),
        Stage::Stopping => {
            // Where it is taken away from outside it starts again, which is no failure of its own.
            if let Some(trouble) = &workload.trouble {
                draft.back_to_starting(&trouble.message);
                draft.show_not_ready(&trouble.message);
            }
            draft.finish()
        }
        Stage::Ended(ending) => ended(draft, session, plan, ending, found),
    }
}

/// The run ended though it was wanted.
fn ended(mut draft: Draft, session: &Session, plan: &Plan, ending: &Ending, found: &Found) -> Wanted {
    let reason = ending.reason.unwrap_or(Reason::Unknown);
    let verdict = doctor::verdict(reason, &ending.message, found.now);
    if reason == Reason::HostRestarted {
        draft.verdict(verdict);
        draft.wanted.patch = Some(stop_patch(DesiredState::Hibernated, "HostRestarted"));
        return draft.finish();
    }
    let oldest = found.now.checked_sub(doctor::WINDOW).unwrap_or(Timestamp::MIN);
    draft.wanted.status.failures.retain(|failure| failure.0 > oldest);
    draft.wanted.status.failures.push(second(found.now));
    if doctor::is_final(reason) || draft.wanted.status.failures.len() >= doctor::MOST_FAILURES {
        return fail(draft, session, found, verdict);
    }
    draft.back_to_starting(&ending.message);
    draft.unhealthy(&ending.message);
    draft.show_not_ready(&format!("Trying again: {}", ending.message));
    draft.verdict(verdict);
    draft.wanted.status.run += 1;
    again_when_due(&mut draft, plan, found);
    draft.finish()
}

fn running(mut draft: Draft, session: &Session, plan: &Plan, found: &Found) -> Wanted {
    let Plan::Run { resolved, url, .. } = plan else { return draft.finish() };
    if draft.phase() == Phase::Starting {
        draft.go(Phase::Running, LifecycleType::Ready, EventType::Normal, "The program answers.");
        draft.wanted.status.doctor = None;
    }
    draft.show_running(url);
    let started = draft.since();
    let idle = activity::explain(&found.live, started, resolved.idle_timeout, found.now);
    draft.show_live(&found.live, &idle, REFRESH);
    draft.look_again_in(if idle.since.is_none() { SignedDuration::from_secs(61) } else { REFRESH });
    let name = session.spec.display_name.as_deref().unwrap_or(&session.spec.template);
    if let Some(stops_at) = idle.stops_at {
        let state = stop_patch(DesiredState::Hibernated, "Idle");
        draft.stop_at(stops_at, stops_at + ACTIVITY_LAG, state, "IdleStop", |left| activity::warning(name, left));
    }
    draft.wanted.status.expires_at = resolved.max_duration.map(|most| second(moment(started, most)));
    if let Some(end) = draft.wanted.status.expires_at.as_ref().map(|end| end.0) {
        let state = stop_patch(DesiredState::Terminated, "MaxDuration");
        draft.stop_at(end, end, state, "MaxDuration", |left| activity::ending(name, left));
    }
    draft.show_budget(found.budget.little.as_deref());
    if let Some(end) = found.budget.ends {
        draft.stop_for_budget(end, stop_patch(DesiredState::Hibernated, "BudgetSpent"), name);
    }
    draft.finish()
}

/// The merge patch by which the platform itself changes what is wanted.
fn stop_patch(state: DesiredState, because: &str) -> Value {
    json!({ "metadata": { "annotations": { keys::STOPPED_BECAUSE: because } }, "spec": { "state": state } })
}
