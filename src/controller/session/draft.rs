//! A status being written: the old one, changed along the allowed transitions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::{
    Found,
    build::{Wanted, Warning},
};
use crate::{
    crd::{EventType, IdleStatus, LifecycleType, Phase, Session, Verdict, WorkloadStatus},
    domain::{
        activity::{self, Idle, Live},
        conditions::{self, Holds},
        lifecycle, phase,
        time::second,
    },
    engine::{Stage, WorkloadState},
};

/// `by` after `from`, or the end of time.
pub(super) fn moment(from: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// What [`super::build`] works on.
#[derive(Debug)]
pub(super) struct Draft {
    pub wanted: Wanted,
    now: Timestamp,
    generation: Option<i64>,
}

impl Draft {
    /// Begins with the status that stands.
    pub(super) fn new(session: &Session, found: &Found) -> Self {
        let mut status = session.status.clone().unwrap_or_default();
        status.leader_epoch = found.epoch.map_or(status.leader_epoch, |epoch| epoch.0);
        let wanted =
            Wanted { status, call: None, patch: None, finalizer: None, delete: false, look_again: None, warning: None };
        let mut draft = Self { wanted, now: found.now, generation: session.metadata.generation };
        if draft.wanted.status.phase_since.is_none() {
            draft.wanted.status.phase_since = Some(second(found.now));
            draft.tell(LifecycleType::Created, EventType::Normal, "The session was created.");
            let created = session.metadata.creation_timestamp.clone();
            draft.story().created_at = created;
            draft.wanted.status.observed_generation = session.metadata.generation;
        }
        draft
    }

    pub(super) fn phase(&self) -> Phase {
        self.wanted.status.phase
    }

    /// Since when it is in its phase, by the clock that decides; when the program started a node may say differently.
    pub(super) fn since(&self) -> Timestamp {
        self.wanted.status.phase_since.as_ref().map_or(self.now, |since| since.0)
    }

    /// Goes to `to` and tells why; staying where it is tells nothing.
    pub(super) fn go(&mut self, to: Phase, type_: LifecycleType, event_type: EventType, message: impl Into<String>) {
        if self.phase() != to {
            self.go_silently(to);
            self.tell(type_, event_type, message);
        }
    }

    /// Goes to `to` without a line in the story.
    pub(super) fn go_silently(&mut self, to: Phase) {
        let from = self.phase();
        if from == to {
            return;
        }
        debug_assert!(phase::may_follow(from, to), "{from:?} -> {to:?}");
        let (since, now) = (self.since(), self.now);
        lifecycle::spent(self.story(), from, since, now);
        self.wanted.status.phase = to;
        self.wanted.status.phase_since = Some(second(self.now));
    }

    fn story(&mut self) -> &mut crate::crd::Lifecycle {
        self.wanted.status.lifecycle.get_or_insert_with(Default::default)
    }

    fn tell(&mut self, type_: LifecycleType, event_type: EventType, message: impl Into<String>) {
        let event = lifecycle::event(type_, event_type, self.now, message);
        lifecycle::add(self.story(), event);
    }

    /// A running workload that is not well any more.
    pub(super) fn unhealthy(&mut self, message: &str) {
        self.tell(LifecycleType::Unhealthy, EventType::Warning, message);
    }

    /// From `Running` back to `Starting`.
    pub(super) fn back_to_starting(&mut self, message: &str) {
        if self.phase() == Phase::Running {
            self.go(Phase::Starting, LifecycleType::Starting, EventType::Warning, format!("Starting again: {message}"));
        }
    }

    /// The status speaks of the present generation.
    pub(super) fn observe(&mut self, session: &Session) {
        self.wanted.status.observed_generation = session.metadata.generation;
    }

    pub(super) fn verdict(&mut self, verdict: Verdict) {
        let old = self.wanted.status.doctor.take();
        // The same finding keeps its time, so that an unchanged status stays equal.
        let same = old.filter(|old| old.reason == verdict.reason && old.message == verdict.message);
        self.wanted.status.doctor = Some(same.unwrap_or(verdict));
    }

    pub(super) fn condition(&mut self, type_: &str, holds: Holds, reason: &str, message: &str) {
        let conditions = &mut self.wanted.status.conditions;
        conditions::set(conditions, type_, holds, reason, message, self.generation, self.now);
    }

    /// Not ready, and what is awaited.
    pub(super) fn show_not_ready(&mut self, message: &str) {
        self.condition("Reachable", false.into(), "NotReachable", message);
        self.condition("Ready", false.into(), &format!("{:?}", self.phase()), message);
        self.no_live_figures();
    }

    /// Nothing runs, and nothing is to.
    pub(super) fn show_stopped(&mut self, reason: &str, message: &str) {
        for type_ in ["WorkloadReady", "Reachable", "Ready"] {
            self.condition(type_, false.into(), reason, message);
        }
        self.wanted.status.workload = None;
        self.no_live_figures();
    }

    fn no_live_figures(&mut self) {
        let status = &mut self.wanted.status;
        (status.url, status.idle, status.expires_at, status.connections) = (None, None, None, 0);
    }

    /// Reachable under `url`.
    pub(super) fn show_running(&mut self, url: &str) {
        self.condition("WorkloadReady", true.into(), "Running", "The program runs.");
        self.condition("Reachable", true.into(), "Answered", "The program answered on its port.");
        self.condition("Ready", true.into(), "Running", "The session can be used.");
        self.wanted.status.url = Some(url.into());
    }

    /// What runs it, its home and its limits.
    pub(super) fn show_workload(&mut self, workload: &WorkloadState) {
        self.wanted.status.workload = Some(WorkloadStatus {
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            node: workload.node.clone(),
            started_at: workload.started_at.map(second),
        });
        let begun = !matches!(workload.stage, Stage::Preparing { .. } | Stage::Ended(_));
        if begun {
            self.condition("HomeReady", true.into(), "Mounted", "The home is there.");
            let (holds, text) =
                reason_or(workload.limits_missing.as_deref(), "CPU, memory and process limits are in force.");
            self.condition(
                "LimitsEnforced",
                holds,
                if holds == Holds::True { "Enforced" } else { "NotEnforced" },
                text,
            );
            if let Some(missing) = &workload.network_missing {
                self.condition("NetworkReady", false.into(), "NoNetwork", missing);
            }
        } else {
            self.condition("WorkloadReady", false.into(), "NotRunning", "The program does not run.");
        }
    }

    /// Live figures enter the status when the answer changes (connections from or to none, the cause), or when what
    /// stands there is older than `refresh`.
    pub(super) fn show_live(&mut self, live: &Live, idle: &Idle, refresh: SignedDuration) {
        let status = &mut self.wanted.status;
        let fresh = IdleStatus {
            since: idle.since.map(second),
            cause: idle.cause.clone(),
            stops_at: idle.stops_at.map(second),
        };
        let differs = |one: Option<&Time>, other: Option<&Time>| match (one, other) {
            (Some(one), Some(other)) => one.0.duration_since(other.0).abs() >= refresh,
            (one, other) => one.is_some() != other.is_some(),
        };
        let stale = status.idle.as_ref().is_none_or(|old| {
            old.cause != fresh.cause
                || differs(old.stops_at.as_ref(), fresh.stops_at.as_ref())
                || differs(old.since.as_ref(), fresh.since.as_ref())
        });
        if stale || (status.connections == 0) != (live.connections == 0) {
            status.idle = Some(fresh);
            status.connections = live.connections;
            status.last_activity = live.last_activity.map(second);
            let last = status.last_activity.clone();
            self.story().last_activity = last;
        }
    }

    /// Warns before `told`, the moment that people are told, and acts at `moment`.
    pub(super) fn stop_at(
        &mut self,
        told: Timestamp,
        moment: Timestamp,
        patch: Value,
        reason: &'static str,
        words: impl Fn(Duration) -> String,
    ) {
        let warn_at = told.checked_sub(activity::WARN_BEFORE).unwrap_or(Timestamp::MIN);
        if moment <= self.now {
            self.wanted.patch = Some(patch);
        } else if warn_at <= self.now {
            let left = told.duration_since(self.now).max(SignedDuration::ZERO);
            // Whole minutes, so that a sentence repeated within one is the same sentence.
            let minutes = Duration::from_mins(u64::try_from(left.as_mins().max(0)).unwrap_or(0) + 1);
            self.wanted.warning =
                Some(Warning { reason, message: words(minutes.min(Duration::from_mins(5))), stops_at: told });
            self.look_again_at(moment);
        } else {
            self.look_again_at(warn_at);
        }
    }

    /// Says when `little` is left of a budget, and when there is more again.
    pub(super) fn show_budget(&mut self, little: Option<&str>) {
        const TYPE: &str = "BudgetLeft";
        match little {
            Some(message) => self.condition(TYPE, false.into(), "BudgetLow", message),
            None if self.wanted.status.conditions.iter().any(|condition| condition.type_ == TYPE) => {
                self.condition(TYPE, true.into(), "Enough", "Enough is left of the budgets of this month.");
            }
            None => {}
        }
    }

    /// Warns at once of a stop at `end`, for which a sooner one takes its place.
    pub(super) fn stop_for_budget(&mut self, end: Timestamp, patch: Value, name: &str) {
        if end <= self.now {
            self.wanted.patch = Some(patch);
            return;
        }
        self.look_again_at(end);
        if self.wanted.warning.as_ref().is_none_or(|warning| warning.stops_at > end) {
            let message = format!("{name} goes to sleep: a budget of this month is spent. Its files are kept.");
            self.wanted.warning = Some(Warning { reason: "BudgetSpent", message, stops_at: end });
        }
    }

    pub(super) fn look_again_in(&mut self, by: SignedDuration) {
        self.look_again_at(self.now.checked_add(by).unwrap_or(Timestamp::MAX));
    }

    pub(super) fn look_again_at(&mut self, moment: Timestamp) {
        let sooner = self.wanted.look_again.map_or(moment, |other| other.min(moment));
        self.wanted.look_again = Some(sooner);
    }

    pub(super) fn finish(self) -> Wanted {
        self.wanted
    }
}

fn reason_or<'a>(missing: Option<&'a str>, fine: &'a str) -> (Holds, &'a str) {
    missing.map_or((Holds::True, fine), |why| (Holds::False, why))
}
