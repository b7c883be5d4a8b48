//! Emptying a node: what is asked, what is planned, and what is done about each session at each moment.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{duration::spoken, fields::FieldError};

/// Seconds after which a drain that does not come to its end has failed, unless told otherwise.
const TIMEOUT_S: u32 = 3_600;
/// Bounds of that time.
const TIMEOUT_BOUNDS_S: std::ops::RangeInclusive<u32> = 60..=86_400;
/// Minutes that people are given, unless told otherwise.
const WARN_MINUTES: u32 = 5;
/// Most minutes that people can be given.
const MOST_WARN_MINUTES: u32 = 1_440;
/// What a stop takes at most, which the time for all of it has to have room for.
const STOP_S: u32 = 60;

/// What becomes of the sessions.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DrainStrategy)]
pub enum Strategy {
    /// They are put to sleep, and wake on another node when somebody wants them; on one machine once it is uncordoned.
    #[default]
    Hibernate,
    /// They are started again on another node.
    Migrate,
    /// They are left until they end or sleep by themselves.
    Wait,
}

/// How a node is to be emptied.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = Drain)]
pub struct Wish {
    /// What becomes of the sessions.
    pub strategy: Strategy,
    /// Minutes that people who are in a session are given, 0 to 1440. Whoever leaves is not waited for.
    #[schema(default = 5, minimum = 0, maximum = 1440)]
    pub warn_minutes: u32,
    /// Seconds after which it has failed, 60 to 86400.
    #[schema(default = 3600, minimum = 60, maximum = 86400)]
    pub timeout_seconds: u32,
    /// Answers the plan, and does nothing.
    pub dry_run: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { strategy: Strategy::default(), warn_minutes: WARN_MINUTES, timeout_seconds: TIMEOUT_S, dry_run: false }
    }
}

impl Wish {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Every field that is out of its bounds.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        if self.warn_minutes > MOST_WARN_MINUTES {
            wrong.push(FieldError::new("warnMinutes", format!("must be at most {MOST_WARN_MINUTES}")));
        }
        let (least, most) = (TIMEOUT_BOUNDS_S.start(), TIMEOUT_BOUNDS_S.end());
        if !TIMEOUT_BOUNDS_S.contains(&self.timeout_seconds) {
            wrong.push(FieldError::new("timeoutSeconds", format!("must lie between {least} and {most}")));
        } else if self.strategy != Strategy::Wait
            && self.timeout_seconds < self.warn_minutes.saturating_mul(60) + STOP_S
        {
            let room = "must be at least a minute longer than people are warned";
            wrong.push(FieldError::new("timeoutSeconds", room));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn after(moment: Timestamp, seconds: u32) -> Timestamp {
        moment.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
    }

    /// When a drain that began at `began` has failed.
    #[must_use]
    pub fn ends_at(&self, began: Timestamp) -> Timestamp {
        Self::after(began, self.timeout_seconds)
    }
}

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
    /// It is on its way out.
    Stopping,
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
        matches!(self, Self::Hibernated | Self::Ended | Self::Stayed)
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
}

impl Entry {
    fn of(here: &Here, step: Step, stops_at: Option<Timestamp>) -> Self {
        Self {
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
}

impl State {
    /// Sessions about which there is nothing more to do.
    #[must_use]
    pub fn done(&self) -> usize {
        self.sessions.iter().filter(|entry| entry.step.is_final()).count()
    }

    /// Takes in what is there at `now`, and what became of what is there no more, as `became` tells; says what is to be
    /// done about each that is there.
    pub fn advance(
        &mut self,
        wish: &Wish,
        here: &[Here],
        became: impl Fn(&Entry) -> Step,
        now: Timestamp,
    ) -> Vec<Entry> {
        for entry in self.sessions.iter_mut().filter(|entry| !entry.step.is_final()) {
            if !here.iter().any(|one| one.uid == entry.uid) {
                (entry.step, entry.stops_at, entry.active) = (became(entry), None, false);
            }
        }
        let mut wanted = Vec::new();
        for one in here {
            let before = self.sessions.iter().position(|entry| entry.uid == one.uid);
            let stops_at = before.and_then(|at| self.sessions[at].stops_at);
            let next = decide(wish, one, stops_at, self.began_at, now);
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
    if here.leaving {
        return Entry::of(here, Step::Stopping, stops_at);
    }
    if wish.strategy == Strategy::Wait {
        return Entry::of(here, Step::Wait, Some(wish.ends_at(began)));
    }
    let stops_at = stops_at.unwrap_or_else(|| Wish::after(now, wish.warn_minutes.saturating_mul(60)));
    if here.active && stops_at > now {
        Entry::of(here, Step::Warn, Some(stops_at))
    } else {
        Entry::of(here, Step::Hibernate, None)
    }
}

/// What a drain of `node` would do about the sessions that are `here`. `alone`: there is no other node.
#[must_use]
pub fn plan(node: &str, wish: &Wish, here: &[Here], alone: bool, now: Timestamp) -> Plan {
    let mut obstacles = Vec::new();
    if alone && wish.strategy == Strategy::Migrate {
        let text = "This machine is the only one: there is no other for the sessions to move to. Choose hibernate, which \
                    keeps their files until they can be woken here again, or wait.";
        obstacles.push(text.to_owned());
    }
    Plan {
        node: node.to_owned(),
        possible: obstacles.is_empty(),
        obstacles,
        sessions: here.iter().map(|one| decide(wish, one, None, now, now)).collect(),
    }
}

/// What the person of a session is told.
#[must_use]
pub fn warning(strategy: Strategy, entry: &Entry, now: Timestamp) -> String {
    let name = &entry.display_name;
    let left = entry.stops_at.map(|stop| stop.duration_since(now).unsigned_abs()).map(spoken).unwrap_or_default();
    match strategy {
        Strategy::Hibernate | Strategy::Migrate => {
            format!(
                "The machine is being emptied: “{name}” is put to sleep in {left}, or when you leave. Its files are kept."
            )
        }
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
        }
    }

    fn state(wish: &Wish) -> State {
        State {
            node: "a".into(),
            strategy: wish.strategy,
            began_at: NOON,
            ends_at: wish.ends_at(NOON),
            sessions: vec![],
        }
    }

    fn steps(entries: &[Entry]) -> Vec<(&str, Step)> {
        entries.iter().map(|entry| (entry.name.as_str(), entry.step)).collect()
    }

    #[test]
    fn the_idle_go_at_once_and_those_who_work_have_their_minutes_or_until_they_leave() {
        let wish = Wish { warn_minutes: 5, ..Wish::default() };
        let mut state = state(&wish);
        let gone = |_: &Entry| Step::Hibernated;
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
        assert_eq!((state.done(), state.sessions.len()), (3, 3));
    }

    #[test]
    fn an_attempt_that_goes_on_keeps_the_time_that_was_told() {
        let wish = Wish { warn_minutes: 5, ..Wish::default() };
        let mut first = state(&wish);
        first.advance(&wish, &[here("busy", true)], |_| Step::Ended, NOON);
        let kept = serde_json::to_value(&first).unwrap();
        let mut second: State = serde_json::from_value(kept).unwrap();
        assert_eq!(second, first);
        let wanted = second.advance(&wish, &[here("busy", true)], |_| Step::Ended, after(200));
        assert_eq!(wanted[0].stops_at, Some(after(300)));
    }

    #[test]
    fn who_waits_stops_nobody() {
        let wish = Wish { strategy: Strategy::Wait, timeout_seconds: 600, ..Wish::default() };
        let mut state = state(&wish);
        let wanted = state.advance(&wish, &[here("idle", false), here("busy", true)], |_| Step::Ended, NOON);
        assert_eq!(steps(&wanted), [("idle", Step::Wait), ("busy", Step::Wait)]);
        assert_eq!(wanted[0].stops_at, Some(after(600)));
    }

    #[test]
    fn a_session_of_the_same_name_made_anew_is_another() {
        let wish = Wish::default();
        let mut state = state(&wish);
        state.advance(&wish, &[here("a", false)], |_| Step::Ended, NOON);
        let again = Here { uid: "another".into(), ..here("a", true) };
        state.advance(&wish, &[again], |_| Step::Ended, after(1));
        assert_eq!(steps(&state.sessions), [("a", Step::Ended), ("a", Step::Warn)]);
    }

    #[test]
    fn a_plan_says_what_would_happen_and_why_it_cannot() {
        let sessions = [here("idle", false), here("busy", true)];
        let fine = plan("a", &Wish::default(), &sessions, true, NOON);
        assert!(fine.possible);
        assert_eq!(steps(&fine.sessions), [("idle", Step::Hibernate), ("busy", Step::Warn)]);
        let alone = Wish { strategy: Strategy::Migrate, ..Wish::default() };
        let not = plan("a", &alone, &sessions, true, NOON);
        assert!(!not.possible && not.obstacles[0].contains("only one"), "{:?}", not.obstacles);
        assert!(plan("a", &alone, &sessions, false, NOON).possible);
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let fields = |wish: Wish| {
            let wrong = wish.check().err().unwrap_or_default();
            wrong.into_iter().map(|wrong| wrong.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(Wish::default()), Vec::<String>::new());
        assert_eq!(
            fields(Wish { warn_minutes: 1_441, timeout_seconds: 1, ..Wish::default() }),
            ["warnMinutes", "timeoutSeconds"]
        );
        assert_eq!(fields(Wish { warn_minutes: 10, timeout_seconds: 600, ..Wish::default() }), ["timeoutSeconds"]);
        let waits = Wish { strategy: Strategy::Wait, warn_minutes: 10, timeout_seconds: 600, ..Wish::default() };
        assert_eq!(fields(waits), Vec::<String>::new());
    }
}
