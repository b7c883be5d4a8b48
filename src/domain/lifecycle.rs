//! The story of a session: bounded in the status, whole in the database.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::crd::{EventType, Lifecycle, LifecycleEvent, LifecycleType, Phase};

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
    LifecycleEvent { type_, time: Time(time), message: message.into(), details: BTreeMap::new(), event_type }
}

/// Adds `event`, drops the oldest past the bound, and counts it.
pub fn add(lifecycle: &mut Lifecycle, event: LifecycleEvent) {
    *lifecycle.event_counts.entry(format!("{:?}", event.type_)).or_default() += 1;
    lifecycle.created_at.get_or_insert_with(|| event.time.clone());
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
        assert_eq!(story.created_at, Some(Time(Timestamp::UNIX_EPOCH)));
    }
}
