//! The story of a session: bounded in the status, whole in the database.

use std::collections::BTreeMap;

use super::time::{micro, second};
use crate::crd::{EventType, Lifecycle, LifecycleEvent, LifecycleType, Phase};
use jiff::{SignedDuration, Timestamp};

/// Most events kept in the status.
const MOST: usize = 50;

/// An event at `time`.
#[must_use]
pub fn event(
    type_: LifecycleType,
    event_type: EventType,
    time: Timestamp,
    message: impl Into<String>,
) -> LifecycleEvent {
    LifecycleEvent { type_, time: micro(time), message: message.into(), details: BTreeMap::new(), event_type }
}

/// Adds `event`, drops the oldest past the bound, and counts it. What happened at the same moment as the event before
/// gets the next microsecond, so that the order can be told from the times.
pub fn add(lifecycle: &mut Lifecycle, mut event: LifecycleEvent) {
    if let Some(last) = lifecycle.events.last().filter(|last| last.time >= event.time) {
        event.time = micro(last.time.0.saturating_add(SignedDuration::from_micros(1)).unwrap_or(last.time.0));
    }
    *lifecycle.event_counts.entry(format!("{:?}", event.type_)).or_default() += 1;
    lifecycle.created_at.get_or_insert_with(|| second(event.time.0));
    lifecycle.events.push(event);
    let surplus = lifecycle.events.len().saturating_sub(MOST);
    lifecycle.events.drain(..surplus);
}

/// Adds the time spent in `phase`, from `since` to `now`, in whole seconds.
pub fn spent(lifecycle: &mut Lifecycle, phase: Phase, since: Timestamp, now: Timestamp) {
    let seconds = now.duration_since(since).as_secs().max(0);
    *lifecycle.phase_durations.entry(format!("{phase:?}")).or_default() += seconds;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_keeps_the_latest_fifty_events_and_counts_them_all() {
        let mut story = Lifecycle::default();
        for second in 0..60 {
            let time = Timestamp::from_second(second).unwrap();
            add(&mut story, event(LifecycleType::Starting, EventType::Normal, time, "again"));
        }
        assert_eq!(story.events.len(), 50);
        assert_eq!(story.events[0].time.0, Timestamp::from_second(10).unwrap());
        assert_eq!(story.event_counts["Starting"], 60);
        assert_eq!(story.created_at, Some(second(Timestamp::UNIX_EPOCH)));
    }
}
