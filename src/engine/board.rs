//! The present state of every workload, and who follows it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::stream::{BoxStream, StreamExt};
use tokio::sync::watch;

use super::{SessionId, WorkloadEvent, WorkloadState};

/// Shared by everything of an engine.
#[derive(Debug)]
pub(super) struct Board {
    states: Mutex<BTreeMap<SessionId, Entry>>,
    /// Counts changes; a change wakes the followers, who look for themselves, so nobody can fall behind.
    changes: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Entry {
    change: u64,
    state: WorkloadState,
}

impl Board {
    pub(super) fn new() -> Self {
        Self { states: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Shows `state`, unless it is shown already.
    pub(super) fn show(&self, state: WorkloadState) {
        let mut states = self.lock();
        if states.get(&state.session).is_some_and(|entry| entry.state == state) {
            return;
        }
        self.changes.send_modify(|count| {
            *count += 1;
            states.insert(state.session.clone(), Entry { change: *count, state });
        });
    }

    pub(super) fn forget(&self, session: &SessionId) {
        let mut states = self.lock();
        if states.remove(session).is_some() {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn get(&self, session: &SessionId) -> Option<WorkloadState> {
        self.lock().get(session).map(|entry| entry.state.clone())
    }

    /// See [`crate::engine::Engine::watch`].
    pub(super) fn follow(self: Arc<Self>) -> BoxStream<'static, WorkloadEvent> {
        let changes = self.changes.subscribe();
        let start = Follower { board: self, changes, seen: BTreeMap::new(), begun: false, waiting: VecDeque::new() };
        futures::stream::unfold(start, |mut follower| async move {
            let event = follower.next().await?;
            Some((event, follower))
        })
        .boxed()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Entry>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Follower {
    board: Arc<Board>,
    changes: watch::Receiver<u64>,
    /// The change at which each state was last handed out.
    seen: BTreeMap<SessionId, u64>,
    begun: bool,
    waiting: VecDeque<WorkloadEvent>,
}

impl Follower {
    async fn next(&mut self) -> Option<WorkloadEvent> {
        while self.waiting.is_empty() {
            if self.begun {
                // The board, and with it the sender, lives as long as this follower.
                self.changes.changed().await.ok()?;
            }
            self.look();
        }
        self.waiting.pop_front()
    }

    /// Collects what changed since the last look.
    fn look(&mut self) {
        self.changes.borrow_and_update();
        let states = self.board.states.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.begun {
            self.waiting.push_back(WorkloadEvent::Init);
        }
        for (session, entry) in states.iter() {
            if self.seen.get(session) != Some(&entry.change) {
                self.seen.insert(session.clone(), entry.change);
                self.waiting.push_back(WorkloadEvent::Apply(Box::new(entry.state.clone())));
            }
        }
        let waiting = &mut self.waiting;
        self.seen.retain(|session, _| {
            let there = states.contains_key(session);
            if !there {
                waiting.push_back(WorkloadEvent::Gone(session.clone()));
            }
            there
        });
        if !self.begun {
            self.begun = true;
            self.waiting.push_back(WorkloadEvent::InitDone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Stage;

    fn state(name: &str, listening: bool) -> WorkloadState {
        WorkloadState {
            session: SessionId(name.into()),
            session_uid: "1".into(),
            run: 1,
            kind: "Sandbox".into(),
            name: name.into(),
            node: None,
            started_at: None,
            stage: Stage::Running { listening },
            trouble: None,
            limits_missing: None,
            network_missing: None,
        }
    }

    fn word(event: &WorkloadEvent) -> String {
        match event {
            WorkloadEvent::Init => "init".into(),
            WorkloadEvent::InitDone => "done".into(),
            WorkloadEvent::Gone(session) => format!("-{session}"),
            WorkloadEvent::Apply(state) => format!("+{}", state.session),
        }
    }

    #[tokio::test]
    async fn a_follower_gets_the_present_states_then_each_change_and_each_end() {
        let board = Arc::new(Board::new());
        board.show(state("a", false));
        board.show(state("b", false));
        let mut events = Arc::clone(&board).follow();
        let mut words = Vec::new();
        for _ in 0..4 {
            words.push(word(&events.next().await.unwrap()));
        }
        board.show(state("b", true));
        words.push(word(&events.next().await.unwrap()));
        board.forget(&SessionId("a".into()));
        words.push(word(&events.next().await.unwrap()));
        assert_eq!(words, ["init", "+a", "+b", "done", "+b", "-a"]);
    }

    #[tokio::test]
    async fn a_follower_that_does_not_look_for_long_misses_no_last_state() {
        let board = Arc::new(Board::new());
        let mut events = Arc::clone(&board).follow();
        for _ in 0..2 {
            events.next().await.unwrap();
        }
        for round in 0..10_000 {
            board.show(state("a", round % 2 == 0));
        }
        board.show(state("a", true));
        let Some(WorkloadEvent::Apply(last)) = events.next().await else { panic!("no state") };
        assert_eq!(last.stage, Stage::Running { listening: true });
    }
}
