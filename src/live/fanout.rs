//! Carries each event to everybody who reads of it. Waits for nobody.
//!
//! Connections are spread over a few shards, a task each. What happens faster than a shard can tell collapses while it
//! waits, exactly as it does for a single slow reader: readers then hear of fewer states, and of the latest one soon.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    cursor::Cursor,
    event::{Event, Subject},
    frame::CloseCode,
    hub::{Hub, Inner},
    outbox::Queue,
    socket::{Access, Socket},
};

/// How often connections are looked after.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// After so many connections other tasks get a turn.
const TURN: usize = 256;

/// What is done to connections apart from events.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Closes all, each with a hint when to come back: somewhere within that time.
    CloseAll(Duration),
    /// What the reader of that connection may read is something else by now.
    Adopt(Arc<Socket>, Access),
}

/// What waits for a shard's task.
#[derive(Debug, Default)]
struct Intake {
    events: Queue<Arc<Event>>,
    joined: Vec<Arc<Socket>>,
    orders: Vec<Order>,
}

/// A part of the connections.
#[derive(Debug, Default)]
pub(super) struct Shard {
    intake: Mutex<Intake>,
    wake: Notify,
}

impl Shard {
    fn take_in(&self, what: impl FnOnce(&mut Intake)) {
        what(&mut self.intake.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    pub(super) fn post(&self, event: Arc<Event>) {
        self.take_in(|intake| intake.events.push(event.key, event));
    }

    pub(super) fn join(&self, socket: Arc<Socket>) {
        self.take_in(|intake| intake.joined.push(socket));
    }

    pub(super) fn order(&self, order: Order) {
        self.take_in(|intake| intake.orders.push(order));
    }

    fn take(&self) -> Intake {
        std::mem::take(&mut *self.intake.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The task of one shard.
pub(super) struct FanOut {
    hub: Arc<Inner>,
    shard: Arc<Shard>,
    members: Vec<Arc<Socket>>,
    tended: Timestamp,
}

impl FanOut {
    pub(super) fn new(hub: Arc<Inner>, shard: Arc<Shard>) -> Self {
        let tended = hub.clock.now();
        Self { hub, shard, members: Vec::new(), tended }
    }

    /// Runs until asked to end.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let hub = self.hub.clone();
        loop {
            let next = self.tended.saturating_add(SignedDuration::from_secs(TEND_EVERY.as_secs().cast_signed()));
            let next = next.unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shard.wake.notified() => self.work().await,
                () = hub.clock.sleep_until(next) => self.tend(),
            }
        }
    }

    async fn work(&mut self) {
        let Intake { mut events, joined, orders } = self.shard.take();
        self.members.extend(joined);
        for order in orders {
            match order {
                Order::CloseAll(within) => self.members.iter().for_each(|socket| {
                    let wait = within.mul_f64(rand::random());
                    socket
                        .close(CloseCode::Away, &format!("the server restarts: reconnect in {} ms", wait.as_millis()));
                }),
                Order::Adopt(socket, access) => self.adopt(&socket, access, &mut events),
            }
        }
        self.deliver(&events.take_all()).await;
    }

    async fn deliver(&mut self, events: &[Arc<Event>]) {
        if events.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(socket) = self.members.get(at) {
            if socket.deliver(events) {
                at += 1;
            } else {
                self.members.swap_remove(at);
            }
            if at % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        let frames = (self.members.len() * events.len()) as u64;
        metrics::counter!("streamspace_ws_offers_total").increment(frames);
    }

    fn tend(&mut self) {
        let now = self.hub.clock.now();
        let passed = now.duration_since(self.tended);
        self.tended = now;
        // A clock that was set back tells nothing about how long it was.
        let passed = Duration::try_from(passed).unwrap_or(TEND_EVERY);
        self.members.retain(|socket| socket.tend(passed));
    }

    /// Tells a reader what their new access shows and hides. While the feed is held nothing new happens in it; what
    /// waits here is offered to them first, so that they hear of everything in its order.
    fn adopt(&self, socket: &Arc<Socket>, access: Access, events: &mut Queue<Arc<Event>>) {
        let others =
            [Subject::Jobs, Subject::Templates].map(|subject| (subject, socket.reads_others(subject, &access)));
        self.adopt_sessions(socket, access, events);
        for (subject, _) in others.into_iter().filter(|(_, others)| *others) {
            // A fresh snapshot says in one what came into sight and what went out of it.
            Hub::of(&self.hub).read(socket, subject, Cursor::default());
        }
    }

    fn adopt_sessions(&self, socket: &Socket, access: Access, events: &mut Queue<Arc<Event>>) {
        let mut sessions = self.hub.sessions();
        let mut late = std::mem::take(&mut self.shard.intake.lock().unwrap_or_else(PoisonError::into_inner).events);
        for event in late.take_all() {
            events.push(event.key, event);
        }
        socket.deliver(&events.iter().cloned().collect::<Vec<_>>());
        socket.adopt(access, &mut sessions.feed, self.hub.clock.now());
    }
}
