//! Emptying a node: what is planned, and what is done about each session at each moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    pods::{self, PodEntry, PodHere},
    wish::{self, Strategy, Wish},
};
use crate::domain::duration::spoken;

/// A session on the node, as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// Its name.
    pub name: String,
    /// Its uid: one of that name that comes later is another.
    pub uid: String,
    /// Whose it is.
    pub user: String,
    /// What people see.
    pub display_name: String,
    /// Whether it is on its way out already.
    pub leaving: bool,
    /// Whether somebody is in it, or something that counts happened a moment ago.
    pub active: bool,
    /// The pod that runs it there; `None` where there are no pods, and for one that is on its way.
    pub pod: Option<PodHere>,
}

impl Here {
    fn is_ending(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.leaving)
    }
}

/// How far it is with a session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// It is to be put to sleep at once.
    Hibernate,
    /// Its person is warned: it goes on until then, or until they leave.
    Warn,
    /// It is waited for.
    Wait,
    /// It is to be started on another node at once.
    Move,
    /// It is on its way out.
    Stopping,
    /// It has left, and is on its way to another node.
    Moving,
    /// It runs on another node.
    Moved,
    /// It sleeps.
    Hibernated,
    /// It has ended, or was deleted.
    Ended,
    /// It still ran when the time was over, or when the drain was cancelled.
    Stayed,
}

impl Step {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Moved | Self::Hibernated | Self::Ended | Self::Stayed)
    }
}

/// A session in a plan, or in what came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainSession)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whose it is.
    pub user: String,
    /// What people see.
    pub display_name: String,
    /// Whether somebody is in it.
    pub active: bool,
    /// What is to happen to it, or has.
    pub step: Step,
    /// When it stops at the latest, where its person is warned of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_at: Option<Timestamp>,
    /// The budgets that have no room for the end of its pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// The node on which it runs since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why it cannot go, or not run elsewhere, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of a session that is on the node no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Became {
    /// How far it is.
    pub step: Step,
    /// Where it runs now.
    pub node: Option<String>,
    /// What is in its way.
    pub message: Option<String>,
}

impl From<Step> for Became {
    fn from(step: Step) -> Self {
        Self { step, node: None, message: None }
    }
}

impl Entry {
    fn of(here: &Here, step: Step, stops_at: Option<Timestamp>) -> Self {
        Self {
            blocked_by: here.pod.as_ref().map(PodHere::blocked_by).unwrap_or_default(),
            node: None,
            message: None,
            name: here.name.clone(),
            uid: here.uid.clone(),
            user: here.user.clone(),
            display_name: here.display_name.clone(),
            active: here.active,
            step,
            stops_at,
        }
    }
}

/// What a drain would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainPlan)]
pub struct Plan {
    /// The node.
    pub node: String,
    /// Whether it can be done as it is asked.
    pub possible: bool,
    /// Why it cannot be, as sentences.
    pub obstacles: Vec<String>,
    /// What becomes of each session.
    pub sessions: Vec<Entry>,
    /// What becomes of each pod; none on one machine.
    pub pods: Vec<PodEntry>,
}

/// How it stands with a drain, and at its end what came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The node.
    pub node: String,
    /// What becomes of the sessions.
    pub strategy: Strategy,
    /// When it began; an attempt after the first goes on with it.
    pub began_at: Timestamp,
    /// When it has failed.
    pub ends_at: Timestamp,
    /// Every session that was there at any time, in the order in which they were met.
    pub sessions: Vec<Entry>,
    /// Every pod that was there at any time, likewise.
    #[serde(default)]
    pub pods: Vec<PodEntry>,
}

impl State {
    /// A drain that begins.
    #[must_use]
    pub fn begin(node: &str, wish: &Wish, now: Timestamp) -> Self {
        Self {
            node: node.to_owned(),
            strategy: wish.strategy,
            began_at: now,
            ends_at: wish.ends_at(now),
            sessions: Vec::new(),
            pods: Vec::new(),
        }
    }

    /// Sessions and other pods about which there is nothing more to do, and all of them.
    #[must_use]
    pub fn done(&self) -> (usize, usize) {
        let pods = || self.pods.iter().filter(|pod| pod.session.is_none());
        let done = self.sessions.iter().filter(|entry| entry.step.is_final()).count()
            + pods().filter(|pod| pod.step.is_final()).count();
        (done, self.sessions.len() + pods().count())
    }

    /// What is still to go or to come up elsewhere, by name.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let sessions = self.sessions.iter().filter(|entry| !entry.step.is_final()).map(|entry| entry.name.clone());
        // The pod of a session has its name, and is told by it unless it is the last to go.
        let told: Vec<String> = sessions.collect();
        let pods = self.pods.iter().filter(|pod| !pod.step.is_final());
        let pods = pods.filter(|pod| !told.contains(&pod.name)).map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let pods: Vec<String> = pods.collect();
        told.into_iter().chain(pods).collect()
    }

    /// Takes in what is there at `now`, and what became of what is there no more, as `became` tells; says what is to be
    /// done about each that is there.
    pub fn advance(
        &mut self,
        wish: &Wish,
        here: &[Here],
        became: impl Fn(&Entry) -> Became,
        now: Timestamp,
    ) -> Vec<Entry> {
        for entry in self.sessions.iter_mut().filter(|entry| !entry.step.is_final()) {
            if !here.iter().any(|one| one.uid == entry.uid) {
                let Became { step, node, message } = became(entry);
                (entry.step, entry.node, entry.message) = (step, node, message);
                (entry.stops_at, entry.active, entry.blocked_by) = (None, false, Vec::new());
            }
        }
        let mut wanted = Vec::new();
        for one in here {
            let before = self.sessions.iter().position(|entry| entry.uid == one.uid);
            let stops_at = before.and_then(|at| self.sessions[at].stops_at);
            let mut next = decide(wish, one, stops_at, self.began_at, now);
            next.message = before.and_then(|at| self.sessions[at].message.take()).filter(|_| !one.is_ending());
            match before {
                Some(at) => self.sessions[at] = next.clone(),
                None => self.sessions.push(next.clone()),
            }
            wanted.push(next);
        }
        wanted
    }
}

/// What is to be done about a session now. `stops_at`: what its person was told before.
fn decide(wish: &Wish, here: &Here, stops_at: Option<Timestamp>, began: Timestamp, now: Timestamp) -> Entry {
    if here.leaving || (wish.strategy != Strategy::Hibernate && here.is_ending()) {
        return Entry::of(here, Step::Stopping, stops_at);
    }
    if here.is_ending() {
        // Its pod ends, and it would start again elsewhere.
        return Entry::of(here, Step::Hibernate, None);
    }
    if wish.strategy == Strategy::Wait {
        return Entry::of(here, Step::Wait, Some(wish.ends_at(began)));
    }
    let stops_at = stops_at.unwrap_or_else(|| wish::after(now, wish.warn_minutes.saturating_mul(60)));
    if here.active && stops_at > now {
        Entry::of(here, Step::Warn, Some(stops_at))
    } else if wish.strategy == Strategy::Migrate {
        Entry::of(here, Step::Move, None)
    } else {
        Entry::of(here, Step::Hibernate, None)
    }
}

/// What there is besides the node that is to be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nodes that take sessions.
    Room,
    /// Other nodes, none of which takes any.
    Closed,
    /// Nothing: the machine is the only one.
    Nothing,
}

/// What a drain of `node` would do about the sessions and pods that are `here`.
#[must_use]
pub fn plan(node: &str, wish: &Wish, here: &[Here], pods: &[PodHere], elsewhere: Elsewhere, now: Timestamp) -> Plan {
    let nowhere = match elsewhere {
        Elsewhere::Room => None,
        Elsewhere::Closed => Some(
            "No other node is ready and takes sessions: uncordon one. Or choose hibernate, which keeps their files until \
             they can be woken, or wait.",
        ),
        Elsewhere::Nothing => Some(
            "This machine is the only one: there is no other for the sessions to move to. Choose hibernate, which keeps \
             their files until they can be woken here again, or wait.",
        ),
    };
    let mut obstacles = pods::obstacles(wish, pods);
    obstacles.extend(nowhere.filter(|_| wish.strategy == Strategy::Migrate).map(str::to_owned));
    Plan {
        node: node.to_owned(),
        possible: obstacles.is_empty(),
        obstacles,
        sessions: here.iter().map(|one| decide(wish, one, None, now, now)).collect(),
        pods: pods.iter().map(|pod| pods::decide(wish, pod)).collect(),
    }
}

/// What the person of a session is told.
#[must_use]
pub fn warning(strategy: Strategy, entry: &Entry, now: Timestamp) -> String {
    let name = &entry.display_name;
    let left = entry.stops_at.map(|stop| stop.duration_since(now).unsigned_abs()).map(spoken).unwrap_or_default();
    match strategy {
        Strategy::Hibernate => format!(
            "The machine is being emptied: “{name}” is put to sleep in {left}, or when you leave. Its files are kept."
        ),
        Strategy::Migrate => format!(
            "The machine is being emptied: “{name}” is started again on another one in {left}, or when you leave. Its \
             files are kept."
        ),
        Strategy::Wait => {
            format!("The machine is being emptied: please put “{name}” to sleep when you can. Its files are kept.")
        }
    }
}

/// What they are told where it does not happen after all.
#[must_use]
pub fn all_clear(entry: &Entry) -> String {
    format!("The machine is not being emptied any more: “{}” goes on.", entry.display_name)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_900_000_000, 0);

    fn after(seconds: i64) -> Timestamp {
        NOON + SignedDuration::from_secs(seconds)
    }

    fn here(name: &str, active: bool) -> Here {
        Here {
            name: name.into(),
            uid: format!("uid-{name}"),
            user: "alice".into(),
            display_name: name.into(),
            leaving: false,
            active,
            pod: None,
        }
    }

    fn state(wish: &Wish) -> State {
        State::begin("a", wish, NOON)
    }

    fn ended(_: &Entry) -> Became {
        Step::Ended.into()
    }

    fn steps(entries: &[Entry]) -> Vec<(&str, Step)> {
        entries.iter().map(|entry| (entry.name.as_str(), entry.step)).collect()
    }

    #[test]
    fn the_idle_go_at_once_and_those_who_work_have_their_minutes_or_until_they_leave() {
        let wish = Wish { warn_minutes: 5, ..Wish::default() };
        let mut state = state(&wish);
        let gone = |_: &Entry| Step::Hibernated.into();
        let first = state.advance(&wish, &[here("idle", false), here("busy", true), here("leaver", true)], gone, NOON);
        assert_eq!(steps(&first), [("idle", Step::Hibernate), ("busy", Step::Warn), ("leaver", Step::Warn)]);
        assert_eq!(first[1].stops_at, Some(after(300)));
        // A minute later one has left; the other's time does not begin anew.
        let second = state.advance(&wish, &[here("busy", true), here("leaver", false)], gone, after(60));
        assert_eq!(steps(&second), [("busy", Step::Warn), ("leaver", Step::Hibernate)]);
        assert_eq!(second[0].stops_at, Some(after(300)));
        let third = state.advance(&wish, &[here("busy", true)], gone, after(300));
        assert_eq!(steps(&third), [("busy", Step::Hibernate)]);
        state.advance(&wish, &[], gone, after(301));
        assert_eq!(state.done(), (3, 3));
    }

    #[test]
    fn an_attempt_that_goes_on_keeps_the_time_that_was_told() {
        let wish = Wish { warn_minutes: 5, ..Wish::default() };
        let mut first = state(&wish);
        first.advance(&wish, &[here("busy", true)], ended, NOON);
        let kept = serde_json::to_value(&first).unwrap();
        let mut second: State = serde_json::from_value(kept).unwrap();
        assert_eq!(second, first);
        let wanted = second.advance(&wish, &[here("busy", true)], ended, after(200));
        assert_eq!(wanted[0].stops_at, Some(after(300)));
    }

    #[test]
    fn who_moves_is_done_once_it_runs_elsewhere() {
        let wish = Wish { strategy: Strategy::Migrate, ..Wish::default() };
        let mut state = state(&wish);
        let on_pod = |leaving| {
            let pod = PodHere { name: "a".into(), uid: "pod".into(), leaving, ..PodHere::default() };
            Here { pod: Some(pod), ..here("a", false) }
        };
        let moving = |_: &Entry| Became { message: Some("no room".into()), ..Step::Moving.into() };
        let moved = |_: &Entry| Became { node: Some("b".into()), ..Step::Moved.into() };
        assert_eq!(steps(&state.advance(&wish, &[on_pod(false)], moving, NOON)), [("a", Step::Move)]);
        assert_eq!(steps(&state.advance(&wish, &[on_pod(true)], moving, after(1))), [("a", Step::Stopping)]);
        state.advance(&wish, &[], moving, after(2));
        assert_eq!((state.done(), state.left()), ((0, 1), vec!["a".to_owned()]));
        assert_eq!(state.sessions[0].message.as_deref(), Some("no room"));
        state.advance(&wish, &[], moved, after(3));
        assert_eq!((state.done(), state.left()), ((1, 1), vec![]));
        assert_eq!((state.sessions[0].node.as_deref(), state.sessions[0].message.as_deref()), (Some("b"), None));
    }

    #[test]
    fn a_session_whose_pod_ends_is_put_to_sleep_before_it_starts_elsewhere() {
        let wish = Wish::default();
        let pod = PodHere { leaving: true, ..PodHere::default() };
        let going = Here { pod: Some(pod), ..here("a", true) };
        assert_eq!(steps(&state(&wish).advance(&wish, &[going], ended, NOON)), [("a", Step::Hibernate)]);
    }

    #[test]
    fn who_waits_stops_nobody() {
        let wish = Wish { strategy: Strategy::Wait, timeout_seconds: 600, ..Wish::default() };
        let mut state = state(&wish);
        let wanted = state.advance(&wish, &[here("idle", false), here("busy", true)], ended, NOON);
        assert_eq!(steps(&wanted), [("idle", Step::Wait), ("busy", Step::Wait)]);
        assert_eq!(wanted[0].stops_at, Some(after(600)));
    }

    #[test]
    fn a_session_of_the_same_name_made_anew_is_another() {
        let wish = Wish::default();
        let mut state = state(&wish);
        state.advance(&wish, &[here("a", false)], ended, NOON);
        let again = Here { uid: "another".into(), ..here("a", true) };
        state.advance(&wish, &[again], ended, after(1));
        assert_eq!(steps(&state.sessions), [("a", Step::Ended), ("a", Step::Warn)]);
    }

    #[test]
    fn a_plan_says_what_would_happen_and_why_it_cannot() {
        let sessions = [here("idle", false), here("busy", true)];
        let fine = plan("a", &Wish::default(), &sessions, &[], Elsewhere::Nothing, NOON);
        assert!(fine.possible);
        assert_eq!(steps(&fine.sessions), [("idle", Step::Hibernate), ("busy", Step::Warn)]);
        let alone = Wish { strategy: Strategy::Migrate, ..Wish::default() };
        let not = plan("a", &alone, &sessions, &[], Elsewhere::Nothing, NOON);
        assert!(!not.possible && not.obstacles[0].contains("only one"), "{:?}", not.obstacles);
        assert!(!plan("a", &alone, &sessions, &[], Elsewhere::Closed, NOON).possible);
        let moves = plan("a", &alone, &sessions, &[], Elsewhere::Room, NOON);
        assert!(moves.possible);
        assert_eq!(steps(&moves.sessions), [("idle", Step::Move), ("busy", Step::Warn)]);
    }
}
