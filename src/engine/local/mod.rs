//! The one-machine engine: each session is a process tree in a sandbox, held by a process of its own that outlives the
//! server.
//!
//! ```text
//! server ── actor ──(control socket)──▶ holder ──▶ bwrap ──▶ init process ──▶ program
//!    └───── dial ──(connected TCP sockets)◀──────────────────────┘
//! ```

mod actor;
mod dial;
mod examine;
mod files;
mod guard;
mod holder;
mod homes;
mod host;
mod init;
mod launch;
mod layout;
mod limits;
mod link;
mod logs;
mod people;
mod programs;
mod wire;

pub use examine::{examine, missing};
pub use holder::{refuse_routes, run as run_holder};
pub use init::run as run_init;

use std::{
    collections::HashMap,
    fmt, fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    actor::{Actor, Ask},
    layout::Layout,
    limits::{Enforcement, Group},
    people::People,
    wire::{Spec, is_safe_name},
};
use super::{
    Connection, Engine, EngineError, HomeUsage, LogLine, LogQuery, SessionId, Stage, Usage, Workload, WorkloadEvent,
    WorkloadState, board::Board,
};
use crate::{
    clock::Clock,
    crd::Requirement,
    telemetry::task::{self, Tasks},
};

/// Longest that the removal of a session may take: a grace, a kill, and a large home to erase.
const REMOVAL_DEADLINE: Duration = Duration::from_mins(2);

/// What the engine is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// `DATA_DIR`: homes, output, tools.
    pub data_dir: PathBuf,
    /// `RUN_DIR`: sockets.
    pub run_dir: PathBuf,
    /// Programs that the setup brought beyond the system's, each in a folder of its own with a `bin` in it.
    pub tools_dir: PathBuf,
    /// The `streamspace` binary; as a rule `/proc/self/exe`.
    pub program: PathBuf,
    /// First uid for people where the server runs as root.
    pub uid_base: u32,
    /// Bytes that a home may hold; 0 = no bound.
    pub home_limit_bytes: u64,
    /// Networks that sessions do not reach, beside those that are refused on every host.
    pub refused_networks: Vec<IpNet>,
    /// Processes and threads that a session may have.
    pub process_limit: u64,
    /// Whether limits are enforced by cgroups where the host allows it; otherwise usage is watched.
    pub cgroups: bool,
    /// How long a program may take to end when it is asked to, before it is killed.
    pub stop_grace: Duration,
    /// How long its first port may take to open.
    pub port_deadline: Duration,
    /// bubblewrap. `None`: not installed.
    pub bwrap: Option<PathBuf>,
    /// slirp4netns. `None`: not installed, sessions have no network.
    pub slirp: Option<PathBuf>,
}

impl Options {
    /// The usual values for these folders, with the programs that are installed.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, run_dir: impl Into<PathBuf>) -> Self {
        let path: Vec<PathBuf> = ["/usr/local/bin", "/usr/bin", "/bin"].iter().map(PathBuf::from).collect();
        let data_dir = data_dir.into();
        Self {
            tools_dir: data_dir.join("tools"),
            data_dir,
            run_dir: run_dir.into(),
            program: PathBuf::from("/proc/self/exe"),
            uid_base: 2_000_000,
            home_limit_bytes: 10 << 30,
            refused_networks: Vec::new(),
            process_limit: 4096,
            cgroups: true,
            stop_grace: Duration::from_secs(10),
            port_deadline: Duration::from_mins(1),
            bwrap: programs::find("bwrap", &path),
            slirp: programs::find("slirp4netns", &path),
        }
    }
}

/// The engine. Dropping it ends what it does and leaves the sandboxes running, as the end of the server does.
#[derive(Debug)]
pub struct LocalEngine {
    inner: Arc<Inner>,
    _stop: DropGuard,
}

/// What everything of the engine shares.
struct Inner {
    options: Options,
    layout: Layout,
    clock: Arc<dyn Clock>,
    /// The binary that holders run.
    program: PathBuf,
    boot: String,
    node: String,
    enforcement: Enforcement,
    /// `None`: everything runs as the server's own uid.
    people: Option<Mutex<People>>,
    board: Arc<Board>,
    actors: Mutex<HashMap<SessionId, mpsc::UnboundedSender<Ask>>>,
    guard: guard::Guard,
    measured: homes::Measured,
    outputs: logs::Outputs,
    stop: CancellationToken,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("data_dir", &self.layout.data()).finish_non_exhaustive()
    }
}

impl LocalEngine {
    /// Prepares the folders, finds what an earlier server left running, and takes it over. Returns once the state of
    /// every sandbox is known.
    ///
    /// # Errors
    /// Folders that cannot be used; the message names the folder and what to do.
    pub async fn start(
        options: Options,
        clock: Arc<dyn Clock>,
        tasks: &mut Tasks,
    ) -> Result<Arc<dyn Engine>, EngineError> {
        let stop = tasks.stopping().child_token();
        let prepared = {
            let (options, stop) = (options, stop.clone());
            tokio::task::spawn_blocking(move || Inner::prepare(options, clock, stop)).await
        };
        let inner = prepared
            .map_err(|error| EngineError::Failed(error.to_string()))?
            .map_err(|error| EngineError::Failed(error.to_string()))?;
        let inner = Arc::new(inner);
        inner.adopt_all().await?;
        tasks.start("outputs", logs::Outputs::wake(Arc::clone(&inner), tasks.stopping()));
        tasks.start("home sizes", guard::watch(Arc::clone(&inner), tasks.stopping()));
        Ok(Arc::new(Self { inner, _stop: stop.drop_guard() }))
    }
}

impl Inner {
    fn prepare(options: Options, clock: Arc<dyn Clock>, stop: CancellationToken) -> io::Result<Self> {
        fs::create_dir_all(&options.data_dir).map_err(|error| about(&options.data_dir, &error))?;
        fs::create_dir_all(&options.run_dir).map_err(|error| about(&options.run_dir, &error))?;
        let data = fs::canonicalize(&options.data_dir)?;
        let run = fs::canonicalize(&options.run_dir)?;
        let layout = Layout::new(&data, &run);
        let root = nix::unistd::geteuid().is_root();
        for folder in [layout.data(), layout.run()] {
            files::folder(folder, if root { 0o711 } else { 0o700 }).map_err(|error| about(folder, &error))?;
            if root {
                check_passage(folder)?;
            }
        }
        for folder in [layout.homes(), layout.sandboxes()] {
            files::folder(&folder, 0o711).map_err(|error| about(&folder, &error))?;
        }
        let people = root.then(|| People::open(&layout, options.uid_base).map(Mutex::new)).transpose()?;
        Ok(Self {
            program: launch::install_binary(&options.program, &layout.binaries())?,
            boot: host::boot_id()?,
            node: host::name(),
            enforcement: if options.cgroups {
                Enforcement::detect(&format!("streamspace-{}", layout.tag()))
            } else {
                Enforcement::Missing("cgroups are switched off".into())
            },
            people,
            board: Arc::new(Board::new()),
            actors: Mutex::default(),
            guard: guard::Guard::default(),
            measured: homes::Measured::default(),
            outputs: logs::Outputs::new()?,
            stop,
            layout,
            clock,
            options,
        })
    }

    /// The uid that sessions of `user` have. `None`: the server's own.
    fn uid(&self, user: &str) -> io::Result<Option<u32>> {
        let Some(people) = &self.people else { return Ok(None) };
        people.lock().unwrap_or_else(PoisonError::into_inner).uid(user).map(Some)
    }

    async fn adopt_all(self: &Arc<Self>) -> Result<(), EngineError> {
        let entries = fs::read_dir(self.layout.sandboxes()).map_err(|error| EngineError::Failed(error.to_string()))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let sessions: Vec<SessionId> = names.filter(|name| is_safe_name(name)).map(SessionId).collect();
        let adoptions = sessions.into_iter().map(|session| {
            let (asks, orders) = mpsc::unbounded_channel();
            let mut actor = Actor::new(Arc::clone(self), session.clone(), orders);
            async move {
                actor.adopt().await;
                (session, asks, actor)
            }
        });
        for (session, asks, actor) in futures::future::join_all(adoptions).await {
            self.lock_actors().insert(session, asks);
            task::spawn("sandbox", actor.live(self.stop.clone()));
        }
        Ok(())
    }

    /// Asks the session's actor, and makes one if there is none.
    fn ask(self: &Arc<Self>, session: &SessionId, ask: Ask) {
        let mut actors = self.lock_actors();
        let sender = actors.entry(session.clone()).or_insert_with(|| {
            let (sender, orders) = mpsc::unbounded_channel();
            task::spawn("sandbox", Actor::new(Arc::clone(self), session.clone(), orders).live(self.stop.clone()));
            sender
        });
        // It fails only while the engine ends.
        let _ = sender.send(ask);
    }

    /// Lets an actor end, unless somebody asked something meanwhile.
    fn retire(&self, session: &SessionId, asks: &mut mpsc::UnboundedReceiver<Ask>) -> bool {
        let mut actors = self.lock_actors();
        let idle = asks.is_empty();
        if idle {
            actors.remove(session);
        }
        idle
    }

    fn lock_actors(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, mpsc::UnboundedSender<Ask>>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_spec(&self, session: &SessionId) -> Option<Spec> {
        let state = self.board.get(session)?;
        matches!(state.stage, Stage::Running { .. }).then(|| files::read(&self.layout.spec(session)).ok().flatten())?
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the folder {} cannot be used: {error}", path.display()))
}

/// People's uids have to get through every folder above their homes.
fn check_passage(folder: &Path) -> io::Result<()> {
    for above in folder.ancestors() {
        let found = fs::metadata(above)?;
        if found.permissions().mode() & 0o001 == 0 {
            let text = format!(
                "sessions run as users of their own, who cannot get through {} (owner {}): choose another DATA_DIR or RUN_DIR, or `chmod o+x` it",
                above.display(),
                found.uid()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
    }
    Ok(())
}

#[async_trait]
impl Engine for LocalEngine {
    async fn ensure(&self, workload: &Workload) -> Result<(), EngineError> {
        wire::check(&workload.session)?;
        if let super::Home::Persistent(name) = &workload.home
            && !is_safe_name(name)
        {
            return Err(EngineError::Failed(format!("{name:?} is not a home's name")));
        }
        self.inner.ask(&workload.session, Ask::Run(Box::new(workload.clone())));
        Ok(())
    }

    async fn stop(&self, session: &SessionId) -> Result<(), EngineError> {
        wire::check(session)?;
        self.inner.ask(session, Ask::Stop);
        Ok(())
    }

    async fn remove(&self, session: &SessionId) -> Result<(), EngineError> {
        wire::check(session)?;
        let (answer, answered) = oneshot::channel();
        self.inner.ask(session, Ask::Remove(answer));
        let ended = || EngineError::Failed("the engine is ending".into());
        let late = |_| EngineError::Failed(format!("session {session} is still being removed"));
        let result = tokio::time::timeout(REMOVAL_DEADLINE, answered).await.map_err(late)?.map_err(|_| ended())?;
        self.inner.outputs.forget(session);
        result
    }

    async fn state(&self, session: &SessionId) -> Result<Option<WorkloadState>, EngineError> {
        Ok(self.inner.board.get(session))
    }

    fn watch(&self) -> BoxStream<'static, WorkloadEvent> {
        Arc::clone(&self.inner.board).follow()
    }

    async fn dial(&self, session: &SessionId, port: u16) -> Result<Box<dyn Connection>, EngineError> {
        wire::check(session)?;
        let running = self.inner.board.get(session).is_some_and(|state| matches!(state.stage, Stage::Running { .. }));
        if !running {
            return Err(EngineError::NotRunning(session.clone()));
        }
        match dial::dial(&self.inner.layout.sockets(session).join(layout::DIAL), port).await {
            Ok(connection) => Ok(Box::new(connection)),
            Err(error) if error.raw_os_error() == Some(nix::libc::EADDRNOTAVAIL) => {
                Err(EngineError::NoSuchPort { session: session.clone(), port })
            }
            Err(source) => Err(EngineError::Unreachable { session: session.clone(), port, source }),
        }
    }

    async fn logs(
        &self,
        session: &SessionId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        wire::check(session)?;
        logs::read(&self.inner, session, query).await
    }

    async fn usage(&self, session: &SessionId) -> Result<Option<Usage>, EngineError> {
        wire::check(session)?;
        let (inner, session) = (Arc::clone(&self.inner), session.clone());
        let measured = tokio::task::spawn_blocking(move || {
            let spec = inner.running_spec(&session)?;
            let mut usage = Group::of(&spec.cgroups).usage().or_else(|| usage_of_tree(&inner, &spec))?;
            usage.memory_limit_bytes = spec.workload.limits.memory_bytes;
            Some(usage)
        });
        measured.await.map_err(|error| EngineError::Failed(error.to_string()))
    }

    async fn home_usage(&self, home: &str) -> Result<Option<HomeUsage>, EngineError> {
        if !is_safe_name(home) {
            return Ok(None);
        }
        let limit_bytes = self.inner.options.home_limit_bytes;
        if let Some(used_bytes) = self.inner.measured.get(home) {
            return Ok(Some(HomeUsage { used_bytes, limit_bytes }));
        }
        let path = self.inner.layout.homes().join(home);
        let size = tokio::task::spawn_blocking(move || path.is_dir().then(|| homes::size(&path)).transpose());
        let size = size.await.map_err(|error| EngineError::Failed(error.to_string()))?;
        let used = size.map_err(|error| EngineError::Failed(format!("the home cannot be measured: {error}")))?;
        Ok(used.map(|used_bytes| HomeUsage { used_bytes, limit_bytes }))
    }

    async fn remove_home(&self, home: &str) -> Result<(), EngineError> {
        if !is_safe_name(home) {
            return Err(EngineError::Failed(format!("{home:?} is not a home's name")));
        }
        let path = self.inner.layout.homes().join(home);
        let erased = tokio::task::spawn_blocking(move || homes::erase(&path)).await;
        let erased = erased.map_err(|error| EngineError::Failed(error.to_string()))?;
        erased.map_err(|error| EngineError::Failed(format!("the home could not be removed: {error}")))?;
        self.inner.measured.forget(home);
        Ok(())
    }

    async fn missing(&self, requires: &[Requirement]) -> Result<Vec<Requirement>, EngineError> {
        let (tools, requires) = (self.inner.options.tools_dir.clone(), requires.to_vec());
        let missing = tokio::task::spawn_blocking(move || programs::missing(&requires, Some(&tools))).await;
        missing.map_err(|error| EngineError::Failed(error.to_string()))
    }
}

/// Usage where there is no cgroup: of everything below the holder.
fn usage_of_tree(inner: &Inner, spec: &Spec) -> Option<Usage> {
    let record = inner.layout.record(&spec.workload.session);
    let holder: wire::Identity = files::read(&record.join(layout::IDENTITY)).ok().flatten()?;
    holder::tree::usage(holder.pid)
}
