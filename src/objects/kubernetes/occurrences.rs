//! Kubernetes Events, one for each message about an object, with a count.

use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::api::ListParams;
use sha2::{Digest, Sha256};

use super::{KubernetesStore, MANAGER, TRIES, by_us};
use crate::{
    crd::EventType,
    objects::{Object, ObjectError, Occurrence, Recorded},
};

/// Longest message of a Kubernetes Event, in characters.
const LONGEST_MESSAGE: usize = 1024;
/// Most characters of the object's name in the name of an Event: with 17 more it is one still.
const LONGEST_NAME: usize = 236;

impl<K: Object> KubernetesStore<K> {
    /// Counts one more of what was told before, or tells it: the name of an Event is made of what it says, so that
    /// repeats meet it whoever tells them.
    pub(super) async fn write_occurrence(&self, occurrence: &Occurrence) -> Result<(), ObjectError> {
        let event = self.event(occurrence);
        let name = event.metadata.name.clone().unwrap_or_default();
        for _ in 0..TRIES {
            match self.call(&name, self.inner.events.create(&by_us(), &event)).await {
                Err(ObjectError::AlreadyExists { .. }) => {}
                done => return done.map(drop),
            }
            let Some(mut kept) = self.call(&name, self.inner.events.get_opt(&name)).await? else {
                // Events are forgotten after a while; this one just now.
                continue;
            };
            kept.count = Some(kept.count.unwrap_or(1).saturating_add(1));
            kept.last_timestamp = event.last_timestamp.clone().max(kept.last_timestamp);
            match self.call(&name, self.inner.events.replace(&name, &by_us(), &kept)).await {
                Err(ObjectError::Conflict { .. } | ObjectError::NotFound { .. }) => {}
                done => return done.map(drop),
            }
        }
        Err(ObjectError::Conflict { kind: "Event".into(), name })
    }

    fn event(&self, occurrence: &Occurrence) -> Event {
        let Occurrence { kind, name, uid, type_, reason, message } = occurrence;
        let message: String = message.chars().take(LONGEST_MESSAGE).collect();
        let digest = Sha256::digest(format!("{uid}\n{}\n{reason}\n{message}", type_.as_str()));
        let now = Some(Time(self.inner.clock.now()));
        let begin: String = name.chars().take(LONGEST_NAME).collect();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{begin}.{}", hex::encode(&digest[..8]))),
                namespace: Some(self.inner.namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(kind.clone()),
                name: Some(name.clone()),
                namespace: Some(self.inner.namespace.clone()),
                uid: Some(uid.clone()),
                ..ObjectReference::default()
            },
            type_: Some(type_.as_str().into()),
            reason: Some(reason.clone()),
            message: Some(message),
            count: Some(1),
            first_timestamp: now.clone(),
            last_timestamp: now,
            source: Some(EventSource { component: Some(MANAGER.into()), host: None }),
            ..Event::default()
        }
    }

    pub(super) async fn read_occurrences(&self, name: &str) -> Result<Vec<Recorded>, ObjectError> {
        if self.check(name).is_err() {
            return Ok(Vec::new());
        }
        let about = format!("involvedObject.kind={},involvedObject.name={name}", self.inner.kind);
        let found = self.call(name, self.inner.events.list(&ListParams::default().fields(&about))).await?;
        let mut events: Vec<Recorded> = found.items.into_iter().filter_map(recorded).collect();
        events.sort_by(|one, other| {
            let key = |event: &Recorded| (event.last_timestamp, event.first_timestamp);
            key(one).cmp(&key(other)).then_with(|| one.reason.cmp(&other.reason))
        });
        Ok(events)
    }
}

/// An Event as the port tells it, whoever wrote it.
fn recorded(event: Event) -> Option<Recorded> {
    let once = event.event_time.map(|time| time.0);
    let first = event.first_timestamp.map(|time| time.0).or(once);
    let series = event.series.unwrap_or_default();
    let last = event.last_timestamp.map(|time| time.0).or(series.last_observed_time.map(|time| time.0)).or(once);
    let first = first.or(event.metadata.creation_timestamp.map(|time| time.0))?;
    Some(Recorded {
        type_: if event.type_.as_deref() == Some("Warning") { EventType::Warning } else { EventType::Normal },
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        count: event.count.or(series.count).unwrap_or(1).max(1).into(),
        first_timestamp: first,
        last_timestamp: last.unwrap_or(first),
    })
}
