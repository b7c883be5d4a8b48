//! Who is connected and what they do, in memory: asked and told on every request that goes to an app.
//!
//! The truth of it is in the tables `connections` and `activity`; what is told here is written there by and by.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
};

use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rights::Entry;
use crate::store::{activity::Note, connections::Connection};

/// A session's activity is written at most this often, in milliseconds.
const WRITTEN_EVERY_MS: i64 = 10_000;
/// A sign of life that is this young is not noted again, in milliseconds.
const BEAT_EVERY_MS: i64 = 1_000;
/// A pause this long before something that counts makes a session idle, in milliseconds.
const IDLE_AFTER_MS: i64 = 60_000;
/// Sessions that listeners may lag behind; one that misses some looks at all.
const CHANGES_KEPT: usize = 1_024;

/// What counted as activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The person opened the session.
    Opened,
    /// Keys, the pointer or the clipboard in the viewer.
    Viewer,
    /// A request of the app's page.
    Request,
    /// Data through a WebSocket of the app's page.
    Data,
    /// The page that shows the session says that somebody is there.
    Heartbeat,
    /// The program said that it is busy.
    Busy,
    /// The program used more than half a core over the last minute.
    Processor,
}

impl Cause {
    const ALL: [Self; 7] =
        [Self::Opened, Self::Viewer, Self::Request, Self::Data, Self::Heartbeat, Self::Busy, Self::Processor];

    /// As part of a sentence that begins with “Active: ”.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Opened => "it was opened just now",
            Self::Viewer => "keys, mouse or clipboard in the viewer",
            Self::Request => "somebody uses its page",
            Self::Data => "somebody types into its page",
            Self::Heartbeat => "somebody is in front of it",
            Self::Busy => "its program is at work",
            Self::Processor => "its program uses more than half a core",
        }
    }

    fn from_u8(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Opened)
    }
}

/// A connection that this process knows.
#[derive(Debug)]
pub struct Link {
    /// Whose it is and to what.
    pub connection: Connection,
    open: AtomicBool,
    heartbeat_ms: AtomicI64,
    written_ms: AtomicI64,
    streams: AtomicU32,
    /// Those of them through which somebody works rather than looks on.
    working: AtomicU32,
    cut: CancellationToken,
}

impl Link {
    fn new(connection: Connection, open: bool, cut: CancellationToken) -> Self {
        let heartbeat = connection.last_heartbeat.as_millisecond();
        Self {
            connection,
            open: AtomicBool::new(open),
            heartbeat_ms: AtomicI64::new(heartbeat),
            written_ms: AtomicI64::new(heartbeat),
            streams: AtomicU32::new(0),
            working: AtomicU32::new(0),
            cut,
        }
    }

    /// Fires when its streams have to end: the person may no longer, or the server stops.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Notes that its stream is open until the answer is dropped: meanwhile the connection needs no heartbeat. `entry`:
    /// what the person needs to be allowed for it to stay open.
    #[must_use]
    pub fn stream(self: &Arc<Self>, entry: Entry) -> OpenStream {
        self.streams.fetch_add(1, Relaxed);
        if entry == Entry::Work {
            self.working.fetch_add(1, Relaxed);
        }
        OpenStream(Arc::clone(self), entry)
    }

    /// What the person needs to be allowed for all its streams to stay open.
    #[must_use]
    pub fn needs(&self) -> Entry {
        if self.working.load(Relaxed) > 0 { Entry::Work } else { Entry::LookOn }
    }

    /// Whether a WebSocket or a stream is open.
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.streams.load(Relaxed) > 0
    }
}

/// An open stream of a connection.
#[derive(Debug)]
pub struct OpenStream(Arc<Link>, Entry);

impl OpenStream {
    /// Its connection.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.0
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
        if self.1 == Entry::Work {
            self.0.working.fetch_sub(1, Relaxed);
        }
    }
}

/// The use of one session, as far as this process sees it.
#[derive(Debug)]
pub struct Use {
    session: String,
    session_uid: String,
    last_ms: AtomicI64,
    cause: AtomicU8,
    /// Waits to be written.
    pending: AtomicBool,
    written_ms: AtomicI64,
    /// The last activity that was written.
    known_ms: AtomicI64,
}

impl Use {
    fn note(&self) -> Note {
        Note {
            session: self.session.clone(),
            session_uid: self.session_uid.clone(),
            at: moment(self.last_ms.load(Relaxed)),
            cause: Cause::from_u8(self.cause.load(Relaxed)).words().to_owned(),
        }
    }
}

/// A cheap handle to it all.
#[derive(Clone, Debug)]
pub struct Presence(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    links: RwLock<HashMap<Uuid, Arc<Link>>>,
    uses: RwLock<HashMap<String, Arc<Use>>>,
    pending: Mutex<Vec<Arc<Use>>>,
    changes: broadcast::Sender<String>,
    stop: CancellationToken,
}

impl Presence {
    /// Nobody is there yet. All streams end with `stop`.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            links: RwLock::default(),
            uses: RwLock::default(),
            pending: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            stop,
        }))
    }

    /// Fires when the server stops.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The connection, where this process knows it.
    #[must_use]
    pub fn link(&self, id: Uuid) -> Option<Arc<Link>> {
        self.0.links.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Gets to know a connection as it stands in the database.
    pub fn admit(&self, connection: Connection, open: bool) -> Arc<Link> {
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        let link = links
            .entry(connection.id)
            .or_insert_with(|| Arc::new(Link::new(connection, open, self.0.stop.child_token())));
        Arc::clone(link)
    }

    /// The latest open connection of the same person, with the same credential, to the same session.
    #[must_use]
    pub fn latest_like(&self, other: &Connection) -> Option<Arc<Link>> {
        let alike = |link: &&Arc<Link>| {
            let one = &link.connection;
            link.open.load(Relaxed)
                && one.session_uid == other.session_uid
                && one.user == other.user
                && one.opened_by == other.opened_by
        };
        let links = self.0.links.read().unwrap_or_else(PoisonError::into_inner);
        links.values().filter(alike).max_by_key(|link| link.connection.connected_at).cloned()
    }

    /// The connections that have a stream.
    #[must_use]
    pub fn streaming(&self) -> Vec<Arc<Link>> {
        let links = self.0.links.read().unwrap_or_else(PoisonError::into_inner);
        links.values().filter(|link| link.has_streams()).cloned().collect()
    }

    /// Ends the streams of a connection whose person may no longer, and forgets it: where they may come back, it is got to
    /// know anew.
    pub fn cut(&self, link: &Link) {
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        links.remove(&link.connection.id);
        link.open.store(false, Relaxed);
        drop(links);
        link.cut.cancel();
        self.changed(&link.connection.session);
    }

    /// Notes a sign of life; a closed connection is open again.
    pub fn beat(&self, link: &Arc<Link>, now: Timestamp) {
        let now = now.as_millisecond();
        if now - link.heartbeat_ms.load(Relaxed) >= BEAT_EVERY_MS {
            link.heartbeat_ms.store(now, Relaxed);
        }
        if !link.open.load(Relaxed) && !link.cut.is_cancelled() {
            link.heartbeat_ms.store(now, Relaxed);
            // Behind its heartbeat, so that it is written soon.
            link.written_ms.store(i64::MIN, Relaxed);
            link.open.store(true, Relaxed);
            let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
            links.insert(link.connection.id, Arc::clone(link));
            drop(links);
            self.changed(&link.connection.session);
        }
    }

    /// Closes a connection. One that still has a stream shows life with the next beat, and is open again.
    pub fn close(&self, id: Uuid) {
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        let Some(link) = links.get(&id).cloned() else { return };
        link.open.store(false, Relaxed);
        if !link.has_streams() {
            links.remove(&id);
        }
    }

    /// Signs of life that the database lacks: of connections that were opened again, and, where `all`, of every
    /// connection that has a stream or moved since the last time.
    #[must_use]
    pub fn beats(&self, now: Timestamp, all: bool) -> Vec<(Uuid, Timestamp)> {
        let links = self.0.links.read().unwrap_or_else(PoisonError::into_inner);
        let mut beats = Vec::new();
        for (id, link) in links.iter() {
            if all && link.has_streams() {
                link.heartbeat_ms.store(now.as_millisecond(), Relaxed);
                link.open.store(true, Relaxed);
            }
            let (beat, written) = (link.heartbeat_ms.load(Relaxed), link.written_ms.load(Relaxed));
            if beat > written && (all || written == i64::MIN) {
                beats.push((*id, moment(beat)));
            }
        }
        beats
    }

    /// Notes that signs of life have been written.
    pub fn written(&self, beats: &[(Uuid, Timestamp)]) {
        let links = self.0.links.read().unwrap_or_else(PoisonError::into_inner);
        for (id, at) in beats {
            if let Some(link) = links.get(id) {
                link.written_ms.store(at.as_millisecond(), Relaxed);
            }
        }
    }

    /// The use of a session.
    #[must_use]
    pub fn used(&self, session: &str, session_uid: &str) -> Arc<Use> {
        let uses = self.0.uses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = uses.get(session).filter(|known| known.session_uid == session_uid) {
            return Arc::clone(known);
        }
        drop(uses);
        let fresh = Arc::new(Use {
            session: session.to_owned(),
            session_uid: session_uid.to_owned(),
            last_ms: AtomicI64::new(i64::MIN),
            cause: AtomicU8::new(0),
            pending: AtomicBool::new(false),
            written_ms: AtomicI64::new(i64::MIN),
            known_ms: AtomicI64::new(i64::MIN),
        });
        let mut uses = self.0.uses.write().unwrap_or_else(PoisonError::into_inner);
        uses.insert(session.to_owned(), Arc::clone(&fresh));
        fresh
    }

    /// Notes that something counted.
    pub fn note(&self, used: &Arc<Use>, cause: Cause, now: Timestamp) {
        used.last_ms.fetch_max(now.as_millisecond(), Relaxed);
        used.cause.store(cause as u8, Relaxed);
        if !used.pending.swap(true, Relaxed) {
            self.0.pending.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(used));
        }
    }

    /// Takes the notes that are due: at most one a session, and, unless it is `all`, none that was written less than
    /// 10 s ago.
    #[must_use]
    pub fn due(&self, now: Timestamp, all: bool) -> Vec<Note> {
        let now = now.as_millisecond();
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut *pending)
            .into_iter()
            // A clock that was moved back is no reason to wait for long.
            .partition(|used| {
                all || !(0..WRITTEN_EVERY_MS).contains(&now.saturating_sub(used.written_ms.load(Relaxed)))
            });
        *pending = wait;
        drop(pending);
        let mut notes = HashMap::with_capacity(due.len());
        // A session of the same name that is no more says nothing about the one there is.
        for used in due.into_iter().filter(|used| self.is_current(used)) {
            // Before the figures are read: what comes after is noted again.
            used.pending.store(false, Relaxed);
            used.written_ms.store(now, Relaxed);
            notes.insert(used.session.clone(), used.note());
        }
        notes.into_values().collect()
    }

    fn is_current(&self, used: &Arc<Use>) -> bool {
        let uses = self.0.uses.read().unwrap_or_else(PoisonError::into_inner);
        uses.get(&used.session).is_some_and(|current| current.session_uid == used.session_uid)
    }

    /// Says that the database did not take `notes`: they are due again.
    pub fn postponed(&self, notes: &[Note]) {
        for note in notes {
            let used = self.used(&note.session, &note.session_uid);
            used.last_ms.fetch_max(note.at.as_millisecond(), Relaxed);
            if !used.pending.swap(true, Relaxed) {
                self.0.pending.lock().unwrap_or_else(PoisonError::into_inner).push(used);
            }
        }
    }

    /// Forgets the use of a session that is no more.
    pub fn forget(&self, session: &str) {
        self.0.uses.write().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    /// Says that the database took `notes`: those who wait for a session that was idle hear of it.
    pub fn taken(&self, notes: &[Note]) {
        for note in notes {
            let used = self.used(&note.session, &note.session_uid);
            let at = note.at.as_millisecond();
            if at.saturating_sub(used.known_ms.swap(at, Relaxed)) >= IDLE_AFTER_MS {
                self.changed(&note.session);
            }
        }
    }

    /// Tells listeners that a session's idle deadline, or the reason for it, may be another now.
    pub fn changed(&self, session: &str) {
        // Nobody listening is no failure.
        let _ = self.0.changes.send(session.to_owned());
    }

    /// Names of sessions whose idle deadline, or the reason for it, may be another now. One that lags looks at all.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.0.changes.subscribe()
    }
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::store::connections::OpenedBy;

    const NOON: Timestamp = Timestamp::constant(1_900_000_000, 0);

    fn after(seconds: i64) -> Timestamp {
        NOON + SignedDuration::from_secs(seconds)
    }

    fn connection(id: u128) -> Connection {
        Connection {
            id: Uuid::from_u128(id),
            session: "alice-1".into(),
            session_uid: "uid".into(),
            user: "alice".into(),
            opened_by: OpenedBy::Anyone,
            client_address: None,
            user_agent: String::new(),
            connected_at: NOON,
            last_heartbeat: NOON,
            user_epoch: None,
            entered_as: None,
        }
    }

    #[test]
    fn activity_is_written_at_most_every_ten_seconds_and_the_latest_of_it() {
        let presence = Presence::new(CancellationToken::new());
        let used = presence.used("alice-1", "uid");
        presence.note(&used, Cause::Request, NOON);
        assert_eq!(presence.due(NOON, false).len(), 1);
        presence.note(&used, Cause::Request, after(3));
        presence.note(&used, Cause::Data, after(7));
        assert_eq!(presence.due(after(9), false), []);
        let due = presence.due(after(10), false);
        assert_eq!((due.len(), due[0].at, due[0].cause.as_str()), (1, after(7), Cause::Data.words()));
        assert_eq!(presence.due(after(60), false), []);
    }

    #[test]
    fn a_note_that_the_database_did_not_take_is_due_again() {
        let presence = Presence::new(CancellationToken::new());
        presence.note(&presence.used("alice-1", "uid"), Cause::Busy, NOON);
        let due = presence.due(NOON, false);
        presence.postponed(&due);
        assert_eq!(presence.due(after(10), false), due);
    }

    #[test]
    fn a_session_made_anew_under_the_same_name_begins_without_a_past() {
        let presence = Presence::new(CancellationToken::new());
        let old = presence.used("alice-1", "old");
        presence.note(&presence.used("alice-1", "new"), Cause::Data, NOON);
        presence.note(&old, Cause::Data, after(50));
        let due = presence.due(after(60), false);
        assert_eq!((due.len(), due[0].session_uid.as_str(), due[0].at), (1, "new", NOON));
    }

    #[test]
    fn an_open_stream_keeps_its_connection_alive_and_a_silent_one_does_not() {
        let presence = Presence::new(CancellationToken::new());
        let streaming = presence.admit(connection(1), true);
        presence.admit(connection(2), true);
        let stream = streaming.stream(Entry::Work);
        let beats = presence.beats(after(30), true);
        assert_eq!(beats, [(Uuid::from_u128(1), after(30))]);
        presence.written(&beats);
        drop(stream);
        assert_eq!(presence.beats(after(60), true), []);
    }

    #[test]
    fn a_connection_that_was_cut_is_not_the_one_that_its_person_comes_back_by() {
        let presence = Presence::new(CancellationToken::new());
        let link = presence.admit(connection(1), true);
        let _still_ending = link.stream(Entry::Work);
        presence.cut(&link);
        assert_eq!(presence.beats(after(15), true), [], "its stream has not ended yet, and is no sign of life");
        assert!(link.cut().is_cancelled() && presence.latest_like(&connection(2)).is_none());
        assert!(!presence.admit(connection(1), false).cut().is_cancelled());
    }

    #[test]
    fn a_closed_connection_that_shows_life_is_written_at_once() {
        let presence = Presence::new(CancellationToken::new());
        let link = presence.admit(connection(1), true);
        presence.close(link.connection.id);
        let mut changes = presence.changes();
        presence.beat(&link, after(90));
        assert_eq!(presence.beats(after(90), false), [(link.connection.id, after(90))]);
        assert_eq!(changes.try_recv(), Ok("alice-1".into()));
        assert!(presence.link(link.connection.id).is_some());
    }
}
