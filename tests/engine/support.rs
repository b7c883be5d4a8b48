//! A local engine on folders of its own, and ways to wait for what it does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt};
use streamspace::{
    clock::MovableClock,
    engine::{
        Connection, Engine, Home, Limits, LogQuery, SessionId, Stage, Workload, WorkloadState,
        local::{LocalEngine, Options},
    },
    telemetry::task::Tasks,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Far longer than anything takes here; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with its folders. Dropping it removes every session it knows.
pub struct Host {
    pub data: PathBuf,
    pub options: Options,
    pub engine: Arc<dyn Engine>,
    pub clock: Arc<MovableClock>,
    tasks: Option<Tasks>,
    /// Removed last.
    _folder: tempfile::TempDir,
}

impl Host {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::Builder::new().prefix("streamspace-").tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let data = folder.path().join("data");
        let mut options = Options::new(&data, folder.path().join("run"));
        options.program = env!("CARGO_BIN_EXE_streamspace").into();
        options.stop_grace = Duration::from_secs(2);
        change(&mut options);
        let clock = MovableClock::shared();
        let (engine, tasks) = open(&options, &clock).await;
        Self { data, options, engine, clock, tasks: Some(tasks), _folder: folder }
    }

    /// What a restart of the server does: the engine ends, a new one takes over.
    pub async fn restart(&mut self) {
        self.leave().await;
        let (engine, tasks) = open(&self.options, &self.clock).await;
        self.engine = engine;
        self.tasks = Some(tasks);
    }

    /// What the end of the server does.
    pub async fn leave(&mut self) {
        if let Some(tasks) = self.tasks.take() {
            tasks.end(PATIENCE).await;
        }
    }

    pub async fn run(&self, workload: &Workload) {
        self.engine.ensure(workload).await.unwrap();
    }

    /// Starts it and waits until its first port answers.
    pub async fn listening(&self, workload: &Workload) -> WorkloadState {
        self.run(workload).await;
        let state = self.until(&workload.session, |state| {
            matches!(state.stage, Stage::Running { listening: true } | Stage::Ended(_))
        });
        let state = state.await;
        assert!(matches!(state.stage, Stage::Running { listening: true }), "{state:?}");
        state
    }

    /// Waits until the state of a session is as wanted.
    pub async fn until(&self, session: &SessionId, wanted: impl Fn(&WorkloadState) -> bool) -> WorkloadState {
        let mut events = self.engine.watch();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(streamspace::engine::WorkloadEvent::Apply(state)) = events.next().await
                    && state.session == *session
                    && wanted(&state)
                {
                    return *state;
                }
            }
        });
        match found.await.ok() {
            Some(state) => state,
            None => panic!(
                "{session} is {:?}, its output {:#?}",
                self.engine.state(session).await,
                self.output(session).await
            ),
        }
    }

    /// Waits until it ended, and says how.
    pub async fn ending(&self, session: &SessionId) -> streamspace::engine::Ending {
        match self.until(session, |state| matches!(state.stage, Stage::Ended(_))).await.stage {
            Stage::Ended(ending) => ending,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until nothing runs for the session.
    pub async fn gone(&self, session: &SessionId) {
        let mut events = self.engine.watch();
        let gone = async {
            while self.engine.state(session).await.unwrap().is_some() {
                events.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }

    pub async fn output(&self, session: &SessionId) -> Vec<String> {
        let lines = self.engine.logs(session, LogQuery::default()).await.unwrap();
        lines.map(|line| line.unwrap()).map(|line| format!("{} {}", line.stream, line.text)).collect().await
    }

    /// Follows the output until a line contains `text`, and returns that line.
    pub async fn line(&self, session: &SessionId, text: &str) -> String {
        let lines =
            self.engine.logs(session, LogQuery { tail: None, follow: true, ..LogQuery::default() }).await.unwrap();
        let mut lines = lines.map(|line| line.unwrap().text);
        match next_with(&mut lines, text).await {
            Some(line) => line,
            None => panic!("no {text:?} in {:#?}", self.output(session).await),
        }
    }

    pub async fn dial(&self, session: &SessionId, port: u16) -> Box<dyn Connection> {
        self.engine.dial(session, port).await.unwrap()
    }

    pub async fn remove(&self, session: &SessionId) {
        self.engine.remove(session).await.unwrap();
    }
}

impl Drop for Host {
    /// A test that failed leaves no processes behind either: holders are known by their files.
    fn drop(&mut self) {
        for holder in holders(&self.data) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(holder), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

async fn open(options: &Options, clock: &Arc<MovableClock>) -> (Arc<dyn Engine>, Tasks) {
    let mut tasks = Tasks::new(CancellationToken::new());
    let engine = LocalEngine::start(options.clone(), Arc::<MovableClock>::clone(clock), &mut tasks).await.unwrap();
    (engine, tasks)
}

/// The first item that contains `text`. `None`: not in time.
pub async fn next_with(lines: &mut (impl Stream<Item = String> + Unpin), text: &str) -> Option<String> {
    let found = async {
        while let Some(line) = lines.next().await {
            if line.contains(text) {
                return line;
            }
        }
        std::future::pending().await
    };
    tokio::time::timeout(PATIENCE, found).await.ok()
}

/// Pids of the holders whose sandboxes lie in `data`, as far as they live.
pub fn holders(data: &Path) -> Vec<i32> {
    let sandboxes = std::fs::read_dir(data.join("sandboxes")).into_iter().flatten().flatten();
    sandboxes
        .filter_map(|sandbox| pid_of(&sandbox.path()))
        .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
        .collect()
}

fn pid_of(sandbox: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(sandbox.join("record/holder.json")).ok()?;
    serde_json::from_str::<serde_json::Value>(&text).ok()?["pid"].as_i64()?.try_into().ok()
}

/// A workload with a name of its own that runs `command`.
pub fn workload(user: &str, command: &[&str]) -> Workload {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Workload {
        session: SessionId(format!("{user}-test-{number:08x}")),
        session_uid: format!("uid-{number}"),
        user: user.into(),
        template: "test".into(),
        run: 1,
        image: String::new(),
        command: command.iter().map(ToString::to_string).collect(),
        args: Vec::new(),
        env: BTreeMap::new(),
        ports: Vec::new(),
        home: Home::Persistent(format!("home-{user}")),
        home_path: "/home/user".into(),
        limits: Limits::default(),
        network: false,
        root: false,
        requires: Vec::new(),
    }
}

/// A workload that runs a shell script.
pub fn script(user: &str, text: &str) -> Workload {
    workload(user, &["sh", "-c", text])
}

/// A workload that answers each connection on port 8000 with what `sh -c text` writes, its standard input the
/// connection.
pub fn server(user: &str, text: &str) -> Workload {
    let program = "
import socketserver, subprocess, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        subprocess.run(['sh', '-c', sys.argv[1]], stdin=self.request, stdout=self.request, stderr=self.request)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
print('serving', flush=True)
Server(('127.0.0.1', 8000), Handler).serve_forever()
";
    Workload { ports: vec![8000], ..workload(user, &["/usr/bin/python3", "-c", program, text]) }
}

/// Sends `text`, closes the sending side, and reads everything that comes back.
pub async fn exchange(mut connection: Box<dyn Connection>, text: &[u8]) -> String {
    let talk = async {
        connection.write_all(text).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap()
}

/// What still came over a connection until its other end was gone: closed in order, or reset because that end was killed.
pub async fn silence(mut connection: Box<dyn Connection>) -> String {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.as_ref().err().is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionReset), "{ended:?}");
    String::from_utf8_lossy(&rest).into_owned()
}

/// Waits until `condition` holds, for things that send no event.
pub async fn wait_for(condition: impl Fn() -> bool) {
    let until = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, until).await.is_ok(), "the condition did not come true in time");
}
