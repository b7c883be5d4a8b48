//! The inside of a connection: what it reads, and how far it is on its way out.

use std::{task::Waker, time::Duration};

use super::{
    event::{CLUSTER, Content, Event, NOTIFICATIONS, Style, Subject},
    feeds::logs::LogReading,
    frame::{self, CloseCode},
    outbox::Key,
    scope::Scope,
    socket::Access,
    wire::{Full, Line, Piece, Step, Tag, Wire},
};

/// How long a reader may take nothing while something waits for it, here or in the kernel.
const STALL: Duration = Duration::from_secs(4);
/// A single step of the clock counts as at most this much of a stall: clocks jump.
const STALL_STEP: Duration = Duration::from_secs(2);
/// How often a reader is asked for a sign of life; one that gives none until the next time is closed.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long a client gets to answer a close frame.
const CLOSE_ANSWER: Duration = Duration::from_secs(2);
/// How long a client gets to take a close frame that its socket has no room for.
const CLOSE_TAKEN: Duration = Duration::from_secs(5);

/// A subscription to a feed.
#[derive(Debug)]
pub(super) struct Reading {
    /// Of which objects.
    pub(super) scope: Scope,
    /// Number of the latest event that was offered, or is in the snapshot.
    pub(super) seen: u64,
}

/// Where a connection is on its way out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It is there.
    Open,
    /// The close frame is queued or sent: since when, and whether the client has closed too.
    Closing(Duration, bool),
    /// Gone.
    Over,
}

/// What a connection holds.
pub(super) struct State {
    pub(super) access: Access,
    pub(super) sessions: Option<Reading>,
    templates: Option<Reading>,
    pub(super) jobs: Option<Reading>,
    /// Number of the latest word about the nodes that was offered.
    pub(super) cluster: Option<u64>,
    /// Number of the latest notification that was offered.
    pub(super) notifications: Option<u64>,
    pub(super) logs: Vec<LogReading>,
    pub(super) wire: Wire,
    pub(super) end: End,
    /// Something came from the client since the last ping.
    pub(super) heard: bool,
    pinged: bool,
    since_ping: Duration,
    stalled: Duration,
}

impl State {
    /// Of a new connection over `line` that reads nothing yet.
    pub(super) fn new(access: Access, line: Line) -> Self {
        Self {
            access,
            sessions: None,
            templates: None,
            jobs: None,
            cluster: None,
            notifications: None,
            logs: Vec::new(),
            wire: Wire::new(line),
            end: End::Open,
            heard: false,
            pinged: false,
            since_ping: Duration::ZERO,
            stalled: Duration::ZERO,
        }
    }

    pub(super) const fn reading(&mut self, subject: Subject) -> &mut Option<Reading> {
        match subject {
            Subject::Sessions => &mut self.sessions,
            Subject::Templates => &mut self.templates,
            Subject::Jobs => &mut self.jobs,
        }
    }

    pub(super) fn forget(&mut self, subject: Subject) {
        *self.reading(subject) = None;
        self.wire.purge(|tag| tag != Tag::Feed(subject));
    }

    /// What the reader is to have of `event`: by what a newer one supersedes it, and the frame. Asked once for each event:
    /// the answer is noted.
    pub(super) fn wants(&mut self, event: &Event, labelled: bool) -> Option<(Option<Key>, Piece)> {
        if self.end != End::Open {
            return None;
        }
        let plain = Style { labelled, ..Style::default() };
        let the_same = |tag: Tag, style: Style| (event.key, Piece::frame(tag, event.frame(style).clone()));
        let (subject, change) = match &event.content {
            Content::Change(change) => (change.subject, Some(change)),
            Content::Figure { .. } => (Subject::Sessions, None),
            Content::Cluster { .. } => {
                let seen = self.cluster.as_mut().filter(|seen| **seen < event.seq)?;
                *seen = event.seq;
                return Some(the_same(Tag::Cluster, plain));
            }
            Content::Notice { user, .. } => {
                let mine = *user == self.access.user;
                let seen = self.notifications.as_mut().filter(|seen| **seen < event.seq)?;
                *seen = event.seq;
                return mine.then(|| the_same(Tag::Notifications, plain));
            }
        };
        let reading = self.reading(subject).as_mut().filter(|reading| reading.seen < event.seq)?;
        reading.seen = event.seq;
        let (tag, scope) = (Tag::Feed(subject), &reading.scope);
        match (change, &event.content) {
            (Some(change), _) => {
                let key = change.key_for(scope)?;
                let style = Style::of(scope, labelled);
                // Most readers of a style are told the very same, which is written once.
                let usual = style.mark == 0 && key == change.key;
                Some(if usual {
                    the_same(tag, style)
                } else {
                    (Some(key), Piece::frame(tag, change.frame(key, scope, labelled)))
                })
            }
            (None, Content::Figure { whose, .. }) => scope.sees(whose).then(|| the_same(tag, plain)),
            (None, _) => None,
        }
    }

    pub(super) fn send(&mut self, key: Option<Key>, piece: Piece) {
        if self.end == End::Open && self.wire.send(key, piece) == Err(Full) {
            self.too_slow();
        }
    }

    /// Queues; a flush is to follow.
    pub(super) fn offer(&mut self, key: Option<Key>, piece: Piece) {
        if self.end == End::Open && self.wire.queue(key, piece) == Err(Full) {
            self.too_slow();
        }
    }

    fn too_slow(&mut self) {
        self.close(CloseCode::TryAgainLater, "you read too slowly: come back with your cursor");
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        if self.end == End::Open {
            self.wire.purge(|_| false);
            self.finish(code, reason);
        }
    }

    /// Closes once what waits has left.
    pub(super) fn finish(&mut self, code: CloseCode, reason: &str) {
        if self.end != End::Open {
            return;
        }
        self.end = End::Closing(Duration::ZERO, false);
        self.stop();
        // Full or not: it is the last one.
        let _ = self.wire.queue(None, Piece::exempt(frame::close(code, reason)));
        self.wire.flush();
        metrics::counter!("streamspace_ws_closed_total", "code" => (code as u16).to_string()).increment(1);
    }

    pub(super) fn over(&mut self) {
        self.end = End::Over;
        self.stop();
        self.wire.release();
    }

    fn stop(&mut self) {
        self.sessions = None;
        self.templates = None;
        self.jobs = None;
        self.cluster = None;
        self.notifications = None;
        self.logs = Vec::new();
    }

    /// Ends the subscriptions that the caller may no longer have, and names their topics.
    pub(super) fn lost(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        for subject in Subject::ALL {
            if self.access.scope(subject).is_none() && self.reading(subject).is_some() {
                self.forget(subject);
                lost.push(subject.topic().to_owned());
            }
        }
        if !self.access.cluster && self.cluster.take().is_some() {
            self.wire.purge(|tag| tag != Tag::Cluster);
            lost.push(CLUSTER.to_owned());
        }
        if !self.access.notifications && self.notifications.take().is_some() {
            self.wire.purge(|tag| tag != Tag::Notifications);
            lost.push(NOTIFICATIONS.to_owned());
        }
        let access = self.access.logs.clone();
        let may = |reading: &LogReading| access.as_ref().is_some_and(|scope| scope.sees(&reading.whose));
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.logs).into_iter().partition(may);
        self.logs = kept;
        for reading in gone {
            self.wire.purge(|tag| tag != Tag::Logs(reading.id));
            lost.push(reading.topic.to_string());
        }
        lost
    }

    /// The client has closed, or answered our close.
    pub(super) fn client_closed(&mut self) {
        self.close(CloseCode::Normal, "");
        if let End::Closing(since, _) = self.end {
            self.end = End::Closing(since, true);
        }
        self.wire.wake();
    }

    /// What the body does next; `None`: it ends.
    pub(super) fn step(&mut self, waker: &Waker, first: bool) -> Option<Step> {
        if self.end == End::Over {
            return None;
        }
        let step = self.wire.step(waker, first);
        let all_sent = !first && matches!(step, Step::Idle) && self.wire.is_idle();
        if self.wire.is_broken() || (all_sent && matches!(self.end, End::Closing(_, true))) {
            self.over();
            return None;
        }
        Some(step)
    }

    /// Looks after the connection; `passed`: the time since the last look.
    pub(super) fn tend(&mut self, passed: Duration) {
        match self.end {
            End::Open => {
                self.watch_stall(passed);
                self.watch_life(passed);
            }
            End::Closing(since, answered) => {
                let since = if self.wire.has_moved() { Duration::ZERO } else { since + passed.min(STALL_STEP) };
                self.end = End::Closing(since, answered);
                if self.wire.is_idle() && since >= CLOSE_ANSWER {
                    self.over();
                } else if since >= CLOSE_TAKEN {
                    self.wire.cut();
                    self.over();
                }
            }
            End::Over => {}
        }
    }

    fn watch_stall(&mut self, passed: Duration) {
        let moved = self.wire.has_moved();
        if moved || self.wire.is_taken() {
            self.stalled = Duration::ZERO;
            return;
        }
        self.stalled += passed.min(STALL_STEP);
        if self.stalled >= STALL {
            self.too_slow();
        }
    }

    fn watch_life(&mut self, passed: Duration) {
        self.since_ping += passed;
        if self.since_ping < PING_EVERY {
            return;
        }
        if self.pinged && !self.heard {
            self.close(CloseCode::Away, "no sign of life");
            return;
        }
        self.since_ping = Duration::ZERO;
        self.pinged = true;
        self.heard = false;
        self.send(None, Piece::exempt(frame::ping()));
    }
}
