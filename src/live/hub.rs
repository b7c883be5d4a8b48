//! The hub: who is connected, what they read, and everything that comes in for them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::Notify;

use super::{
    cursor::Cursor,
    drain::Drain,
    event::{Change, Content, Event, Subject},
    fanout::{FanOut, Order, Shard},
    feed::{Feed, Item},
    feeds::{
        cluster::Cluster,
        figures, jobs,
        logs::{self, LogReading, LogWish, Source},
        notifications::{self, Notices},
    },
    frame::CloseCode,
    outbox::{Key, Verb},
    people::{self, People, SIGNED_OUT},
    relay,
    scope::Whose,
    socket::{Access, Gate, Socket},
    wire::Line,
};
use crate::{
    Error,
    clock::Clock,
    crd::{Session, Template},
    domain::nodes::{Node, NodeStats},
    engine::{ContainerOf, Engine, SessionId},
    objects::ObjectStore,
    store::{JOB_FEED, Listener, Pool, notices::Notice},
    telemetry::task::{self, Tasks},
};

/// Most shards, however many cores there are.
const SHARDS_MAX: usize = 4;
/// How many clients are asked to come back in each second after a stop.
const RETURN_PER_S: usize = 500;
/// Bounds of the time within which they are.
const RETURN_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// How long a stop waits for clients to take their leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// A feed, and who waits for it to be ready.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) feed: Feed,
    waiting: Vec<(Arc<Socket>, Cursor)>,
}

impl Shelf {
    fn new(subject: Subject) -> Mutex<Self> {
        Mutex::new(Self { feed: Feed::new(subject), waiting: Vec::new() })
    }
}

pub(super) struct Inner {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) people: People,
    sessions: Mutex<Shelf>,
    templates: Mutex<Shelf>,
    jobs: Mutex<Shelf>,
    cluster: Mutex<Cluster>,
    /// Locked while the feed of sessions is held.
    notices: Mutex<Notices>,
    shards: Vec<Arc<Shard>>,
    /// Number of the latest event. Given while the feed it belongs to is held.
    seq: AtomicU64,
    next_logs: AtomicU64,
    next_shard: AtomicUsize,
    open: AtomicUsize,
    emptied: Notify,
    closed: AtomicBool,
}

impl Inner {
    pub(super) fn sessions(&self) -> MutexGuard<'_, Shelf> {
        self.shelf(Subject::Sessions)
    }

    /// Nothing that is done under this lock panics half-way through a change of the feed.
    fn shelf(&self, subject: Subject) -> MutexGuard<'_, Shelf> {
        let shelf = match subject {
            Subject::Sessions => &self.sessions,
            Subject::Templates => &self.templates,
            Subject::Jobs => &self.jobs,
        };
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, key: Option<Key>, content: Content) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Arc::new(Event::new(seq, key, content));
        for shard in &self.shards {
            shard.post(event.clone());
        }
    }

    fn publish_changes(&self, changes: impl IntoIterator<Item = Arc<Change>>) {
        for change in changes {
            self.publish(Some(change.key), Content::Change(change));
        }
    }

    /// Has the task that serves `socket` tell it what it may read by now.
    pub(super) fn adopt(&self, socket: &Arc<Socket>, access: Access) {
        if let Some(shard) = self.shards.get(socket.shard()) {
            shard.order(Order::Adopt(socket.clone(), access));
        }
    }
}

/// A cheap handle to the hub.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("open", &self.0.open.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn of(inner: &Arc<Inner>) -> Self {
        Self(Arc::clone(inner))
    }

    /// A hub that follows both stores until `tasks` end.
    #[must_use]
    pub fn start(
        sessions: Arc<dyn ObjectStore<Session>>,
        templates: Arc<dyn ObjectStore<Template>>,
        clock: Arc<dyn Clock>,
        tasks: &mut Tasks,
    ) -> Self {
        let hub = Self::silent(clock);
        for shard in &hub.0.shards {
            tasks.start("live.fanout", FanOut::new(hub.0.clone(), shard.clone()).run(tasks.stopping()));
        }
        tasks.start("live.people", people::watch(hub.0.clone(), tasks.stopping()));
        tasks.start("live.sessions", relay::run(hub.clone(), sessions, tasks.stopping()));
        tasks.start("live.templates", relay::run(hub.clone(), templates, tasks.stopping()));
        hub
    }

    /// A hub that follows nothing, for a process that nobody reads from.
    #[must_use]
    pub fn silent(clock: Arc<dyn Clock>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            clock,
            sessions: Shelf::new(Subject::Sessions),
            templates: Shelf::new(Subject::Templates),
            jobs: Shelf::new(Subject::Jobs),
            cluster: Mutex::default(),
            notices: Mutex::default(),
            shards: (0..cores.min(SHARDS_MAX)).map(|_| Arc::default()).collect(),
            seq: AtomicU64::new(0),
            next_logs: AtomicU64::new(0),
            next_shard: AtomicUsize::new(0),
            people: People::default(),
            open: AtomicUsize::new(0),
            emptied: Notify::new(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Has the hub follow jobs too, until `tasks` end. Before that nobody who reads them is told anything.
    pub fn follow_jobs(&self, pool: Pool, listener: &Listener, tasks: &mut Tasks) {
        tasks.start("live.jobs", jobs::run(self.clone(), pool, listener.wakes(JOB_FEED), tasks.stopping()));
    }

    /// Has the hub hear what any replica has to say to people: figures and warnings.
    pub fn listen(&self, listener: &Listener, tasks: &mut Tasks) {
        tasks.start("live.figures", figures::follow(self.clone(), listener.clone(), tasks.stopping()));
        tasks.start("live.notices", notifications::follow(self.clone(), listener.clone(), tasks.stopping()));
    }

    /// A connection of a caller who may read what `access` says and whom `gate` knows. `labelled`: its frames name
    /// their topic.
    ///
    /// # Errors
    /// [`Error::Unavailable`] once the server is about to stop.
    pub fn open(&self, access: Access, gate: Box<dyn Gate>, labelled: bool, line: Line) -> Result<Drain, Error> {
        let user = access.user.clone();
        let shard = self.0.next_shard.fetch_add(1, Ordering::Relaxed) % self.0.shards.len();
        let socket = Arc::new(Socket::new(access, gate, labelled, line, shard));
        self.0.open.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("streamspace_ws_clients").increment(1);
        let drain = Drain::new(self.clone(), socket.clone());
        self.0.people.add(&user, &socket);
        self.0.shards[shard].join(socket);
        // Looked at after joining: either the order to close finds the socket, or this does.
        if self.0.closed.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("the server is about to stop: try again in a moment".to_owned()));
        }
        Ok(drain)
    }

    /// The connection is gone.
    pub(super) fn gone(&self, socket: &Arc<Socket>) {
        socket.hung_up();
        self.0.people.remove(socket);
        metrics::gauge!("streamspace_ws_clients").decrement(1);
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.emptied.notify_waiters();
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Begins or begins again to read a feed from `cursor` on. Permission is the caller's to check.
    pub(super) fn read(&self, socket: &Arc<Socket>, subject: Subject, cursor: Cursor) {
        let mut shelf = self.0.shelf(subject);
        if shelf.feed.is_ready() {
            socket.read(&mut shelf.feed, &cursor, self.0.seq.load(Ordering::Relaxed));
        } else {
            shelf.waiting.push((socket.clone(), cursor));
        }
    }

    /// Ends the reading of a feed.
    pub(super) fn stop_reading(&self, socket: &Arc<Socket>, subject: Subject) {
        self.0.shelf(subject).waiting.retain(|(waiting, _)| !Arc::ptr_eq(waiting, socket));
        socket.stop_reading(subject);
    }

    /// Begins to read what is meant for the caller.
    pub(super) fn read_notifications(&self, socket: &Socket) {
        let _held = self.0.sessions();
        let notices = self.0.notices();
        let there = notices.of(&socket.access().user, self.0.clock.now());
        socket.read_notifications(&there, notices.head(), self.0.seq.load(Ordering::Relaxed));
    }

    /// Begins to read of the nodes.
    pub(super) fn read_cluster(&self, socket: &Socket) {
        let cluster = self.0.cluster();
        socket.read_cluster(&cluster.snapshot(), self.0.seq.load(Ordering::Relaxed));
    }

    /// Takes in how the nodes are now, and tells those who read of them what is otherwise, and the sums in any case.
    pub fn cluster(&self, nodes: &[Node], stats: &NodeStats) {
        let now = self.0.clock.now();
        let mut cluster = self.0.cluster();
        for (key, type_, fields) in cluster.take_in(nodes, stats, now) {
            self.0.publish(Some(key), Content::Cluster { type_, fields });
        }
    }

    /// Begins to read the logs of the workload `pod` in `namespace`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, or the caller may not know of it.
    pub(super) fn read_logs(
        &self,
        socket: &Arc<Socket>,
        engine: &Arc<dyn Engine>,
        (namespace, pod): (&str, &str),
        wish: LogWish,
    ) -> Result<(), Error> {
        let (source, whose) = self
            .source(engine, (namespace, pod), wish.container.clone())
            .filter(|(_, whose)| socket.access().logs.is_some_and(|scope| scope.sees(whose)))
            .ok_or_else(|| Error::not_found("logs", format!("{namespace}/{pod}")))?;
        let topic: Arc<str> = format!("logs/{namespace}/{pod}").into();
        socket.stop_logs(&topic);
        let id = self.0.next_logs.fetch_add(1, Ordering::Relaxed);
        let read = logs::follow(engine.clone(), source, wish, socket.clone(), (id, topic.clone()));
        socket.add_logs(LogReading { id, topic, whose, task: task::spawn("live.logs", read) })
    }

    /// What has logs of that name, and who may read them. A session's container is any pod's: only the session as a whole
    /// goes on through its runs.
    fn source(
        &self,
        engine: &Arc<dyn Engine>,
        (namespace, pod): (&str, &str),
        container: Option<String>,
    ) -> Option<(Source, Whose)> {
        let ours = self.0.sessions().feed.by_logs(pod).filter(|_| namespace == engine.namespace());
        let of = ContainerOf { namespace: namespace.to_owned(), pod: pod.to_owned(), container };
        match ours {
            Some((session, whose)) if of.container.is_none() => {
                Some((Source::Session(SessionId(session.to_string())), whose))
            }
            Some((_, whose)) => Some((Source::Container(of), whose)),
            None if engine.reads_pods_in(namespace) => Some((Source::Container(of), Whose::the_operators())),
            None => None,
        }
    }

    /// All objects of a feed as they were at `number`.
    pub(super) fn reset(&self, subject: Subject, items: Vec<Item>, number: u64) {
        let mut shelf = self.0.shelf(subject);
        let changes = shelf.feed.reset(items, number, self.0.clock.now());
        self.0.publish_changes(changes);
        for (socket, cursor) in std::mem::take(&mut shelf.waiting) {
            socket.read(&mut shelf.feed, &cursor, self.0.seq.load(Ordering::Relaxed));
        }
    }

    /// An object as it is now.
    pub(super) fn applied(&self, subject: Subject, item: Item) {
        let mut shelf = self.0.shelf(subject);
        let change = shelf.feed.apply(item, self.0.clock.now());
        self.0.publish_changes(change);
    }

    /// An object is gone.
    pub(super) fn deleted(&self, subject: Subject, item: &Item) {
        let mut shelf = self.0.shelf(subject);
        let change = shelf.feed.remove(item, self.0.clock.now());
        self.0.publish_changes(change);
    }

    /// Objects that are too old to be kept for those who begin to read.
    pub(super) fn forget(&self, subject: Subject, names: &[String]) {
        let mut shelf = self.0.shelf(subject);
        for name in names {
            shelf.feed.forget(name);
        }
    }

    /// Tells those who see the session a live figure about it; a newer one takes the place of one that waits.
    /// `figure` is the item that `GET /api/v1/activity` gives. Nothing for a session that is not known here (yet).
    pub(super) fn activity(&self, session: &str, figure: &impl Serialize) {
        let Ok(figure) = serde_json::to_string(figure) else { return };
        let shelf = self.0.sessions();
        let Some((subject, whose)) = shelf.feed.id(session).zip(shelf.feed.whose(session)) else { return };
        let fields = format!("\"time\":\"{}\",\"activity\":{figure}", self.0.clock.now());
        let key = Key { subject, verb: Verb::Figure };
        self.0.publish(Some(key), Content::Figure { whose, fields });
    }

    /// Takes in everything that people are warned of, and tells them what is new.
    pub(super) fn notices(&self, all: Vec<(i64, Notice)>) {
        let _held = self.0.sessions();
        for (number, notice) in self.0.notices().take_in(all) {
            let fields = format!("{},{}", notifications::cursor(number), notifications::fields(&notice));
            self.0.publish(None, Content::Notice { user: notice.user.into(), fields });
        }
    }

    /// Closes every connection that a person has to this replica, at once: they may no longer be connected.
    pub fn close_user(&self, user: &str) {
        for socket in self.0.people.sockets(user) {
            socket.close(CloseCode::Policy, SIGNED_OUT);
        }
    }

    /// Something about a person changed, such as their roles or one of their credentials: what each of their
    /// connections to this replica may read is decided again, soon.
    pub fn recheck(&self, user: &str) {
        self.0.people.recheck(user);
    }

    /// The same about everybody who is connected.
    pub fn recheck_everybody(&self) {
        self.0.people.recheck_everybody();
    }

    /// Closes every connection with 1001 and a hint when to come back, spread so that they do not come all at once;
    /// takes no new ones. Returns when all are gone, after 3 s at most.
    pub async fn shutdown(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        let within = Duration::from_secs((self.connections() / RETURN_PER_S) as u64);
        for shard in &self.0.shards {
            shard.order(Order::CloseAll(within.clamp(RETURN_WITHIN.0, RETURN_WITHIN.1)));
        }
        let all_gone = async {
            loop {
                let emptied = self.0.emptied.notified();
                if self.connections() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        if tokio::time::timeout(LEAVE_WITHIN, all_gone).await.is_err() {
            tracing::info!(ws.clients = self.connections(), "some clients did not take their leave");
        }
    }
}
