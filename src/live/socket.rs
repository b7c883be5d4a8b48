//! One connection: what it reads, what is offered to it, and how it ends.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    cursor::Cursor,
    event::{CLUSTER, Change, Event, NOTIFICATIONS, Style, Subject},
    feed::{Feed, Welcome},
    feeds::{logs::LogReading, notifications},
    frame::{self, CloseCode},
    scope::Scope,
    state::{End, Reading, State},
    wire::{Line, Piece, Step, Tag},
};
use crate::Error;

/// Most bytes of logs that wait for one reader; beyond that lines are dropped and counted.
const LOG_BYTES: usize = 128 * 1024;
/// Most workloads whose logs one connection may read at once.
const LOGS_MAX: usize = 16;

/// What a person may read, as decided from their permissions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// The person.
    pub user: Arc<str>,
    /// Which sessions; `None`: none.
    pub sessions: Option<Scope>,
    /// Which templates; `None`: none.
    pub templates: Option<Scope>,
    /// Which jobs; `None`: none.
    pub jobs: Option<Scope>,
    /// Whether the nodes' figures.
    pub cluster: bool,
    /// Whether what is meant for them.
    pub notifications: bool,
    /// Whose sessions' logs; `None`: nobody's.
    pub logs: Option<Scope>,
}

/// What the edge knows of a caller.
#[async_trait]
pub trait Gate: Send + Sync {
    /// What the caller may read at this moment; `None`: they are no longer signed in.
    ///
    /// # Errors
    /// Where that cannot be found out: it is then asked again.
    async fn access(&self) -> Result<Option<Access>, Error>;

    /// The problem object that tells of `error`.
    fn problem(&self, error: &Error) -> Value;
}

/// One connection.
pub struct Socket {
    labelled: bool,
    /// The task that serves it.
    shard: usize,
    gate: Box<dyn Gate>,
    state: Mutex<State>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Socket")
            .field("user", &state.access.user)
            .field("end", &state.end)
            .field("wire", &state.wire)
            .finish_non_exhaustive()
    }
}

impl Socket {
    /// A connection over `line` of a caller who may read what `access` says. `labelled`: its frames name their topic.
    pub(super) fn new(access: Access, gate: Box<dyn Gate>, labelled: bool, line: Line, shard: usize) -> Self {
        let state = State::new(access, line);
        Self { labelled, shard, gate, state: Mutex::new(state) }
    }

    /// A panic while the state was held left it in order: nothing in here panics between two fields that belong together.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its frames name their topic.
    #[must_use]
    pub const fn is_labelled(&self) -> bool {
        self.labelled
    }

    /// What the caller may read.
    #[must_use]
    pub fn access(&self) -> Access {
        self.lock().access.clone()
    }

    /// Number of the task that serves it.
    pub(super) const fn shard(&self) -> usize {
        self.shard
    }

    /// Who answers for the caller.
    pub(super) fn gate(&self) -> &dyn Gate {
        &*self.gate
    }

    /// Begins to read `feed`: first what is there or was missed, then every event after number `seq`.
    pub(super) fn read(&self, feed: &mut Feed, cursor: &Cursor, seq: u64) {
        let mut state = self.lock();
        let subject = feed.subject();
        let Some(scope) = state.access.scope(subject).filter(|_| state.end == End::Open) else { return };
        let style = Style::of(&scope, self.labelled);
        let welcome = feed.welcome(cursor.place(subject, style), style, &scope);
        state.forget(subject);
        match welcome {
            Welcome::Resumed(begin, gap) => {
                state.offer(None, Piece::frame(Tag::Feed(subject), begin));
                for change in gap {
                    if let Some(key) = change.key_for(&scope) {
                        let frame = change.frame(key, &scope, self.labelled);
                        state.offer(Some(key), Piece::frame(Tag::Feed(subject), frame));
                    }
                }
            }
            Welcome::Snapshot(pieces) => {
                for piece in Piece::pieces(Tag::Feed(subject), pieces) {
                    state.offer(None, piece);
                }
            }
        }
        *state.reading(subject) = Some(Reading { scope, seen: seq });
        state.wire.flush();
    }

    /// Begins to read what is meant for the caller, after number `seq`: first what they were told up to number `head`
    /// and still holds, each as the fields of a message.
    pub(super) fn read_notifications(&self, there: &[String], head: i64, seq: u64) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        let cursor = notifications::cursor(head);
        let label = Style { labelled: self.labelled, ..Style::default() }.label(NOTIFICATIONS);
        if self.labelled {
            let items = there.iter().map(|fields| format!("{{{fields}}}")).collect::<Vec<_>>().join(",");
            let begin = format!("{{\"type\":\"snapshot\",{label}{cursor},\"resumed\":false,\"items\":[{items}]}}");
            state.send(None, Piece::frame(Tag::Notifications, frame::text(&[begin.as_bytes()])));
        } else {
            for fields in there {
                let message = format!("{{\"type\":\"session.warning\",{cursor},{fields}}}");
                state.send(None, Piece::frame(Tag::Notifications, frame::text(&[message.as_bytes()])));
            }
        }
        state.notifications = Some(seq);
    }

    /// Begins to read of the nodes, after number `seq`: first how they are now, as the fields of a snapshot.
    pub(super) fn read_cluster(&self, now: &str, seq: u64) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        let label = Style { labelled: self.labelled, ..Style::default() }.label(CLUSTER);
        let begin = format!("{{\"type\":\"snapshot\",{label}\"resumed\":false,{now}}}");
        state.send(None, Piece::frame(Tag::Cluster, frame::text(&[begin.as_bytes()])));
        state.cluster = Some(seq);
    }

    /// Ends the subscription to the nodes' figures.
    pub(super) fn stop_cluster(&self) {
        let mut state = self.lock();
        state.cluster = None;
        state.wire.purge(|tag| tag != Tag::Cluster);
    }

    /// Ends the subscription to a feed.
    pub(super) fn stop_reading(&self, subject: Subject) {
        self.lock().forget(subject);
    }

    /// Ends the subscription to what is meant for the caller.
    pub(super) fn stop_notifications(&self) {
        let mut state = self.lock();
        state.notifications = None;
        state.wire.purge(|tag| tag != Tag::Notifications);
    }

    /// Offers `events`, in their order. Returns whether the connection is still of any use.
    pub(super) fn deliver(&self, events: &[Arc<Event>]) -> bool {
        let mut state = self.lock();
        let idle = state.wire.is_idle();
        let mut offered = false;
        for event in events {
            let Some((key, piece)) = state.wants(event, self.labelled) else { continue };
            if events.len() == 1 {
                state.send(key, piece);
            } else {
                state.offer(key, piece);
                offered = true;
            }
        }
        if offered && idle {
            state.wire.flush();
        }
        state.end != End::Over
    }

    /// Sends an `error` message: the problem object, which names its own type in `problemType`.
    pub fn refuse(&self, topic: Option<&str>, error: &Error) {
        let mut problem = match self.gate.problem(error) {
            Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        };
        if let Some(type_) = problem.insert("type".to_owned(), "error".into()) {
            problem.insert("problemType".to_owned(), type_);
        }
        if let Some(topic) = topic.filter(|_| self.labelled) {
            problem.insert("topic".to_owned(), topic.into());
        }
        let text = Value::Object(problem).to_string();
        self.lock().send(None, Piece::frame(Tag::Control, frame::text(&[text.as_bytes()])));
    }

    /// Closes with `code` and, in a few words, the reason; what waits is given up.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.lock().close(code, reason);
    }

    /// Notes a sign of life of the client.
    pub fn heard(&self) {
        self.lock().heard = true;
    }

    /// Answers a ping. Of several that wait only the latest needs an answer; all get one, which is as cheap.
    pub fn pong(&self, payload: &[u8]) {
        self.lock().send(None, Piece::frame(Tag::Control, frame::pong(payload)));
    }

    /// The client has closed, or answered our close.
    pub fn client_closed(&self) {
        self.lock().client_closed();
    }

    /// The connection is gone.
    pub fn hung_up(&self) {
        self.lock().over();
    }

    /// What the body does next; `None`: it ends.
    pub(super) fn step(&self, waker: &Waker, first: bool) -> Option<Step> {
        self.lock().step(waker, first)
    }

    /// Looks after the connection; `passed`: the time since the last look. Returns whether it is still of any use.
    pub(super) fn tend(&self, passed: Duration) -> bool {
        let mut state = self.lock();
        state.tend(passed);
        state.end != End::Over
    }

    /// Whether what the caller reads of `subject` is something else by now, so that it has to be read anew.
    pub(super) fn reads_others(&self, subject: Subject, access: &Access) -> bool {
        let (mut state, scope) = (self.lock(), access.scope(subject));
        let reading = state.reading(subject).as_ref();
        scope.is_some() && reading.is_some_and(|reading| Some(&reading.scope) != scope.as_ref())
    }

    /// Takes over what the caller may read by now. Events up to number `seq` have been offered.
    pub(super) fn adopt(&self, access: Access, feed: &mut Feed, now: jiff::Timestamp) {
        let (old, lost) = {
            let mut state = self.lock();
            let old = std::mem::replace(&mut state.access, access.clone());
            (old, state.lost())
        };
        for topic in lost {
            self.refuse(Some(&topic), &Error::Forbidden(format!("you may no longer read {topic}")));
        }
        let (Some(old), Some(new)) = (old.sessions, access.sessions) else { return };
        let mut state = self.lock();
        if old != new && state.sessions.is_some() {
            for change in feed.rescope(&old, &new, now) {
                let frame = self.turned(&change, &new);
                state.offer(Some(change.key), Piece::frame(Tag::Feed(Subject::Sessions), frame));
            }
            if let Some(reading) = &mut state.sessions {
                reading.scope = new;
            }
            state.wire.flush();
        }
    }

    /// The frame for something that came into sight or went out of it. Its cursor names the scope in any case, so
    /// that a client which joins cursors forgets the one it had.
    fn turned(&self, change: &Change, scope: &Scope) -> Bytes {
        let style = Style::of(scope, self.labelled);
        let mut cursor = style.cursor(Subject::Sessions, change.mark);
        if !style.everybody {
            cursor.push_str(",scope:0");
            if style.mark == 0 {
                cursor.push_str(",shares:0");
            }
        }
        change.frame_with(change.key.verb, &style.label(Subject::Sessions.topic()), &cursor, scope)
    }

    /// Told whenever something has left.
    pub(super) fn room(&self) -> Arc<Notify> {
        self.lock().wire.room()
    }

    /// Offers a frame of logs. False: so much waits that the reader had better be told how much was left out.
    pub(super) fn offer_logs(&self, id: u64, frame: &Bytes) -> bool {
        let mut state = self.lock();
        let fits = state.wire.is_idle() || state.wire.waiting(Tag::Logs(id)) + frame.len() <= LOG_BYTES;
        if fits {
            state.send(None, Piece::frame(Tag::Logs(id), frame.clone()));
        }
        fits
    }

    /// Adds a subscription to logs.
    pub(super) fn add_logs(&self, reading: LogReading) -> Result<(), Error> {
        let mut state = self.lock();
        if state.logs.len() >= LOGS_MAX {
            return Err(Error::Conflict(format!("a connection reads the logs of at most {LOGS_MAX} sessions at once")));
        }
        if state.end == End::Open {
            state.logs.push(reading);
        }
        Ok(())
    }

    /// Ends the subscription to the logs of that topic, where there is one.
    pub(super) fn stop_logs(&self, topic: &str) {
        let mut state = self.lock();
        if let Some(at) = state.logs.iter().position(|reading| &*reading.topic == topic) {
            let gone = state.logs.swap_remove(at);
            state.wire.purge(|tag| tag != Tag::Logs(gone.id));
        }
    }

    /// The log has come to its end. A connection that was there for it alone ends too, once everything has left.
    pub(super) fn logs_ended(&self, id: u64) {
        let mut state = self.lock();
        state.logs.retain(|reading| reading.id != id);
        if !self.labelled {
            state.finish(CloseCode::Normal, "the log has ended");
        }
    }
}

impl Access {
    /// Which objects of a feed; `None`: none.
    pub(super) fn scope(&self, subject: Subject) -> Option<Scope> {
        match subject {
            Subject::Sessions => self.sessions.clone(),
            Subject::Templates => self.templates.clone(),
            Subject::Jobs => self.jobs.clone(),
        }
    }
}
