//! When a session is idle, why, and when it stops for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::duration::spoken;

/// Activity younger than this makes a session active.
const ACTIVE_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How long before a stop the person is warned.
pub const WARN_BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// What is known of a session's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The last thing that counted; `None` since the start.
    pub last_activity: Option<Timestamp>,
    /// What it was, such as `keys or mouse in the viewer`.
    pub last_cause: String,
    /// Open connections.
    pub connections: u32,
    /// No idle stop before this.
    pub snoozed_until: Option<Timestamp>,
}

/// The explanation that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Since when nothing counted; `None` while active.
    pub since: Option<Timestamp>,
    /// Why, as a sentence without figures that change by themselves.
    pub cause: String,
    /// When it stops; `None`: never.
    pub stops_at: Option<Timestamp>,
}

/// Whether what counted at `last` makes a session active at `now`.
#[must_use]
pub fn is_recent(last: Timestamp, now: Timestamp) -> bool {
    now.duration_since(last) < ACTIVE_FOR
}

/// Explains a running session at `now`.
///
/// `started`: when the present run began, which counts as activity. `timeout`: `None` = never stops.
#[must_use]
pub fn explain(live: &Live, started: Timestamp, timeout: Option<Duration>, now: Timestamp) -> Idle {
    let last = live.last_activity.map_or(started, |last| last.max(started));
    let active = is_recent(last, now);
    let snoozed = live.snoozed_until.filter(|until| *until > now);
    let stops_at = timeout
        .map(|timeout| later(last, timeout))
        .map(|stop| live.snoozed_until.map_or(stop, |until| stop.max(until)));
    let mut cause = if active { active_cause(live, last == started) } else { idle_cause(live) };
    if snoozed.is_some() {
        cause.push_str(" The stop was postponed by hand.");
    }
    if let (None, false) = (stops_at, active) {
        cause.push_str(" It never stops for that: no idle time is set.");
    }
    Idle { since: (!active).then_some(last), cause, stops_at }
}

fn active_cause(live: &Live, just_started: bool) -> String {
    match (just_started || live.last_cause.is_empty(), live.last_cause.as_str()) {
        (true, _) => "Active: it has just started.".into(),
        (false, cause) => format!("Active: {cause}."),
    }
}

fn idle_cause(live: &Live) -> String {
    match live.connections {
        0 => "Idle: nobody is connected.".into(),
        1 => "Idle: a window is open, but nobody works in it.".into(),
        _ => "Idle: windows are open, but nobody works in them.".into(),
    }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// The sentence of the warning before an idle stop.
#[must_use]
pub fn warning(display_name: &str, left: Duration) -> String {
    format!("“{display_name}” is idle and stops in {}; its files are kept.", spoken(left))
}

/// The sentence of the warning before the end of the longest duration.
#[must_use]
pub fn ending(display_name: &str, left: Duration) -> String {
    format!(
        "“{display_name}” has run as long as it may and ends in {}; files outside the home go with it.",
        spoken(left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2030-01-01T{text}Z").parse().unwrap()
    }

    const HALF_AN_HOUR: Option<Duration> = Some(Duration::from_mins(30));

    #[test]
    fn a_session_stops_its_idle_time_after_the_last_activity() {
        let live =
            Live { last_activity: Some(at("12:00:00")), last_cause: "keys".into(), connections: 1, ..Live::default() };
        let idle = explain(&live, at("11:00:00"), HALF_AN_HOUR, at("12:10:00"));
        assert_eq!(idle.since, Some(at("12:00:00")));
        assert_eq!(idle.stops_at, Some(at("12:30:00")));
        assert_eq!(idle.cause, "Idle: a window is open, but nobody works in it.");
    }

    #[test]
    fn a_start_counts_as_activity_and_so_does_what_came_after() {
        let never_used = explain(&Live::default(), at("12:00:00"), HALF_AN_HOUR, at("12:00:30"));
        assert_eq!((never_used.since, never_used.stops_at), (None, Some(at("12:30:00"))));
        let live = Live { last_activity: Some(at("11:00:00")), ..Live::default() };
        assert_eq!(explain(&live, at("12:00:00"), HALF_AN_HOUR, at("12:20:00")).stops_at, Some(at("12:30:00")));
    }

    #[test]
    fn a_snooze_postpones_but_never_hastens_the_stop() {
        let live = Live { snoozed_until: Some(at("13:00:00")), ..Live::default() };
        let idle = explain(&live, at("12:00:00"), HALF_AN_HOUR, at("12:10:00"));
        assert_eq!(idle.stops_at, Some(at("13:00:00")));
        assert!(idle.cause.contains("postponed"));
        let early = Live { snoozed_until: Some(at("12:15:00")), ..Live::default() };
        assert_eq!(explain(&early, at("12:00:00"), HALF_AN_HOUR, at("12:10:00")).stops_at, Some(at("12:30:00")));
    }

    #[test]
    fn without_an_idle_time_nothing_stops_and_the_cause_says_so() {
        let idle = explain(&Live::default(), at("12:00:00"), None, at("14:00:00"));
        assert_eq!(idle.stops_at, None);
        assert!(idle.cause.ends_with("no idle time is set."));
    }
}
