//! The one task that follows the pods: what the watch tells goes on the board, and what waited for a pod's end is made.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{
    WatchStreamExt,
    watcher::{self, Event},
};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{Inner, Slot, Slots, pod::OURS, state};
use crate::{
    engine::{SessionId, Stage, Workload},
    telemetry::task,
};

/// How often it is looked whether the time for opening a port is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what waited for a pod's end is tried to be made; then whoever wants it has to ask again.
const TRIES: u32 = 5;
/// Pods that went last and are remembered: far more than go within the time of a call.
const REMEMBERED: usize = 1000;

/// Follows the pods for ever; `known` is told when all are known for the first time.
pub(super) async fn run(inner: Arc<Inner>, known: oneshot::Sender<()>) {
    let config = watcher::Config::default().labels(OURS);
    let mut events = watcher::watcher(inner.pods.clone(), config).default_backoff().boxed();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut known, mut away) = (Some(known), false);
    // Those that were known when a list began, until it tells of them.
    let mut unlisted: HashMap<SessionId, String> = HashMap::new();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = ticks.tick() => {
                inner.give_up();
                continue;
            }
        };
        match event {
            None => return,
            Some(Err(error)) => {
                if !away {
                    tracing::warn!(error = ?error, "the watch of pods waits for the API server");
                }
                away = true;
                continue;
            }
            Some(Ok(Event::Init)) => unlisted = inner.uids(),
            Some(Ok(Event::InitApply(pod))) => {
                if let Some(name) = &pod.metadata.name {
                    unlisted.remove(&SessionId(name.clone()));
                }
                inner.take(&pod);
            }
            Some(Ok(Event::InitDone)) => {
                for (session, uid) in unlisted.drain() {
                    inner.gone(&session, &uid);
                }
                known.take().map(|known| known.send(()));
            }
            Some(Ok(Event::Apply(pod))) => inner.take(&pod),
            Some(Ok(Event::Delete(pod))) => {
                let session = SessionId(pod.metadata.name.clone().unwrap_or_default());
                inner.gone(&session, pod.metadata.uid.as_deref().unwrap_or_default());
            }
        }
        away = false;
    }
}

impl Inner {
    fn uids(&self) -> HashMap<SessionId, String> {
        self.slots().known.iter().map(|(session, slot)| (session.clone(), slot.seen.uid.clone())).collect()
    }

    /// Learns what a pod is like, unless it is known better.
    pub(super) fn take(&self, pod: &Pod) {
        let Some(seen) = state::seen(pod, self.clock.now(), self.options.port_deadline) else { return };
        let mut slots = self.slots();
        let Slots { known, gone } = &mut *slots;
        let session = seen.state.session.clone();
        match known.get_mut(&session) {
            // The answer to a write and the watch tell the same in any order.
            Some(slot) if slot.seen.version >= seen.version => return,
            Some(slot) => slot.seen = seen.after(&slot.seen),
            None if gone.contains(&seen.uid) => return,
            None => {
                known.insert(session.clone(), Slot { seen, next: None });
            }
        }
        // Shown while the lock is held, so that the board's order is that of the slots.
        if let Some(slot) = known.get(&session) {
            self.board.show(slot.seen.state.clone());
        }
    }

    /// Has `workload` made once the session's pod is gone. False: there is none.
    pub(super) fn follow_with(&self, workload: &Workload) -> bool {
        match self.slots().known.get_mut(&workload.session) {
            Some(slot) => {
                slot.next = Some(Box::new(workload.clone()));
                true
            }
            None => false,
        }
    }

    /// A pod is gone: what waited for that is made now.
    fn gone(self: &Arc<Self>, session: &SessionId, uid: &str) {
        let next = {
            let mut slots = self.slots();
            slots.gone.push_back(uid.to_owned());
            if slots.gone.len() > REMEMBERED {
                slots.gone.pop_front();
            }
            if slots.known.get(session).is_none_or(|slot| slot.seen.uid != uid) {
                return;
            }
            let next = slots.known.remove(session).and_then(|slot| slot.next);
            match &next {
                Some(next) => self.board.show(between(next)),
                None => self.board.forget(session),
            }
            next
        };
        if let Some(next) = next {
            task::spawn("next pod", Arc::clone(self).follow_up(next));
        }
    }

    async fn follow_up(self: Arc<Self>, workload: Box<Workload>) {
        let mut pause = Duration::from_millis(200);
        for _ in 0..TRIES {
            match self.make(&workload).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(session.id = %workload.session, error = %error, "the next pod could not be made");
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        // As if it had not been asked for: the controller asks again.
        if !self.slots().known.contains_key(&workload.session) {
            self.board.forget(&workload.session);
        }
    }

    /// Ends the waits for a first port that are over.
    fn give_up(&self) {
        let now = self.clock.now();
        let mut slots = self.slots();
        for slot in slots.known.values_mut() {
            if slot.seen.give_up(now) {
                self.board.show(slot.seen.state.clone());
            }
        }
    }
}

/// What the board shows between the end of one pod and the beginning of the next.
fn between(next: &Workload) -> crate::engine::WorkloadState {
    crate::engine::WorkloadState {
        session: next.session.clone(),
        session_uid: next.session_uid.clone(),
        run: next.run,
        kind: "Pod".into(),
        name: next.session.0.clone(),
        node: None,
        started_at: None,
        stage: Stage::Preparing { waiting_for: "Making the next pod.".into() },
        trouble: None,
        limits_missing: None,
        network_missing: None,
    }
}
