//! The port to whatever runs the programs of sessions: sandboxed processes on one machine, pods on Kubernetes.
//!
//! Both adapters pass the suite in `contract.rs`.

mod board;
pub mod kubernetes;
pub mod local;

use std::{collections::BTreeMap, fmt::Debug};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::crd::{Reason, Requirement};

/// `metadata.name` of a Session: a DNS label of at most 63 characters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session wants to have running.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Workload {
    /// The session.
    pub session: SessionId,
    /// `metadata.uid` of the Session: a session of the same name made later is another.
    pub session_uid: String,
    /// The person's name (a DNS label).
    pub user: String,
    /// The template's name.
    pub template: String,
    /// Number of this run, from 1. A larger one replaces what runs; the same one again changes nothing.
    pub run: i64,
    /// Image for engines that run containers.
    pub image: String,
    /// The program and its arguments. `streamspace` as the program means this very binary. Empty: the image's own.
    pub command: Vec<String>,
    /// Further arguments of the program; in place of the image's own ones where `command` is empty.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment, complete but for `HOME`, `USER`, `PATH` and the like, which the engine sets.
    pub env: BTreeMap<String, String>,
    /// Ports that can be dialled. The first is the one that has to answer.
    pub ports: Vec<u16>,
    /// The home that is mounted, and where.
    pub home: Home,
    /// Where the home appears inside.
    pub home_path: String,
    /// Limits.
    pub limits: Limits,
    /// Whether the program may reach the outside.
    pub network: bool,
    /// Whether it may be root inside its container, as it was granted. A program of a host never is, and need not be.
    #[serde(default)]
    pub root: bool,
    /// Programs that must be on the host; engines that run containers ignore it.
    pub requires: Vec<Requirement>,
}

/// A directory that belongs to a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Home {
    /// Kept between sessions, by this name (`home-{user}` or `home-{user}-{template}`).
    Persistent(String),
    /// Empty at the start, gone with the session.
    Ephemeral,
}

/// Upper bounds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Whole GPUs.
    pub gpus: u32,
}

/// Where a workload stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct WorkloadState {
    /// The session.
    pub session: SessionId,
    /// `metadata.uid` of the Session it was made for.
    pub session_uid: String,
    /// The run it is.
    pub run: i64,
    /// `Sandbox` or `Pod`.
    pub kind: String,
    /// Its name, by which its logs are asked.
    pub name: String,
    /// Host or node.
    pub node: Option<String>,
    /// When the program was started.
    pub started_at: Option<Timestamp>,
    /// Running or not.
    pub stage: Stage,
    /// Why it has not started yet, where the doctor can name it and it may still start; `None`: nothing is wrong.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// `None`: limits are enforced; otherwise why they are not.
    pub limits_missing: Option<String>,
    /// `None`: it has the network it asked for; otherwise why not.
    pub network_missing: Option<String>,
}

/// A cause that the doctor can name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trouble {
    /// The cause.
    pub reason: Reason,
    /// A sentence: what is the matter, with the raw message where there is one.
    pub message: String,
}

/// Stages of a workload.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Stage {
    /// Accepted; `waiting_for` says in the platform's words what is awaited.
    Preparing {
        /// Such as `Pulling the image`.
        waiting_for: String,
    },
    /// The program runs; `listening`: its first port accepts connections.
    Running {
        /// Whether the first port accepts connections.
        listening: bool,
    },
    /// Being stopped.
    Stopping,
    /// Not running any more, or never was.
    Ended(Ending),
}

/// How a run ended, or why it could not begin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ending {
    /// The cause as the doctor names it; `None`: it was stopped because that was asked.
    pub reason: Option<Reason>,
    /// A sentence: what happened, with the raw event where there is one.
    pub message: String,
    /// Exit status of the program, where it had one.
    pub exit_code: Option<i32>,
    /// When.
    pub at: Timestamp,
}

/// One message of [`Engine::watch`].
#[derive(Clone, Debug)]
pub enum WorkloadEvent {
    /// The states that follow, until `InitDone`, are all there are.
    Init,
    /// A workload as it is now.
    Apply(Box<WorkloadState>),
    /// End of the list that began with `Init`.
    InitDone,
    /// Nothing is left of this session's workload.
    Gone(SessionId),
}

/// Why an engine could not do something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such workload, or it does not run.
    #[error("session {0} does not run")]
    NotRunning(SessionId),
    /// There is no such pod, or its output is none that may be read.
    #[error("pod {0} does not exist")]
    NoSuchPod(String),
    /// The pod has no such container.
    #[error("pod {pod} has no container {container}: it has {there}")]
    NoSuchContainer {
        /// The pod.
        pod: String,
        /// What was asked for.
        container: String,
        /// The names of those that there are.
        there: String,
    },
    /// The port is not one of the workload's.
    #[error("session {session} has no port {port}")]
    NoSuchPort {
        /// The session.
        session: SessionId,
        /// What was asked for.
        port: u16,
    },
    /// Nothing answered there.
    #[error("nothing answers on port {port} of session {session}")]
    Unreachable {
        /// The session.
        session: SessionId,
        /// What was dialled.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A cause that the doctor can name.
    #[error("{message}")]
    Doctor {
        /// The cause.
        reason: Reason,
        /// What happened, as a sentence.
        message: String,
    },
    /// Something else of the engine's own.
    #[error("the engine failed: {0}")]
    Failed(String),
}

/// A connection to a program.
pub trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Connection for T {}

/// What a workload uses.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Processor time used since the start, in microseconds.
    pub cpu_micros: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// Its bound, in bytes; 0 = none.
    pub memory_limit_bytes: u64,
    /// Processes.
    pub processes: u32,
}

/// A line that a program wrote.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LogLine {
    /// When it was read.
    pub time: Timestamp,
    /// `stdout`, `stderr` or `system` (the platform's own words, such as the reason of an end).
    pub stream: String,
    /// Without its line end; not valid UTF-8 is replaced.
    pub text: String,
}

/// A container whose output is asked for, of a session's or of anybody's pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContainerOf {
    /// Where the pod is.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The container's name; `None`: the one that people mean, which the pod says.
    pub container: Option<String>,
}

/// The namespace of workloads on one machine.
pub const LOCAL_NAMESPACE: &str = "local";

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogQuery {
    /// Only those from then on. `None`: of any age.
    pub since: Option<Timestamp>,
    /// Only so many of the last lines that exist. `None`: all that are kept.
    pub tail: Option<usize>,
    /// Whether the stream goes on with lines to come, through restarts, until the workload is removed.
    pub follow: bool,
}

/// How much of a home is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HomeUsage {
    /// Bytes used, as measured last.
    pub used_bytes: u64,
    /// Bytes allowed; 0 = no bound.
    pub limit_bytes: u64,
}

/// Runs the workloads of sessions somewhere.
#[async_trait]
pub trait Engine: Debug + Send + Sync {
    /// Makes the world match `workload`. Idempotent; returns when accepted, not when running.
    ///
    /// What cannot start shows as [`Stage::Ended`] with a reason in [`Engine::watch`]; an error here means that it may
    /// succeed when asked again.
    async fn ensure(&self, workload: &Workload) -> Result<(), EngineError>;

    /// Stops the workload and forgets it (its logs stay readable), never removing its home. `Ok` if there is none.
    /// Done when [`WorkloadEvent::Gone`] was seen, or [`Engine::state`] answers `None`.
    async fn stop(&self, session: &SessionId) -> Result<(), EngineError>;

    /// Removes everything that was made for the session but a persistent home: logs, an ephemeral home, sockets.
    /// Stops it first where it runs. Idempotent.
    async fn remove(&self, session: &SessionId) -> Result<(), EngineError>;

    /// The workload of the session as it is now.
    async fn state(&self, session: &SessionId) -> Result<Option<WorkloadState>, EngineError>;

    /// First the state of every workload, then each change: no gap between the two, at least once each. Never ends.
    fn watch(&self) -> BoxStream<'static, WorkloadEvent>;

    /// Connects to a port of the running program. At most 5 s.
    async fn dial(&self, session: &SessionId, port: u16) -> Result<Box<dyn Connection>, EngineError>;

    /// The program's output.
    async fn logs(
        &self,
        session: &SessionId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError>;

    /// The namespace of the workloads.
    fn namespace(&self) -> &str {
        LOCAL_NAMESPACE
    }

    /// Whether there are pods in that namespace whose output may be read, beside those of sessions.
    fn reads_pods_in(&self, _namespace: &str) -> bool {
        false
    }

    /// The output of any container within reach, through its restarts.
    async fn output(
        &self,
        of: &ContainerOf,
        _query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        Err(EngineError::NoSuchPod(format!("{}/{}", of.namespace, of.pod)))
    }

    /// What the workload uses; `None` while it does not run.
    async fn usage(&self, session: &SessionId) -> Result<Option<Usage>, EngineError>;

    /// How much of a persistent home is used; `None`: there is none of that name, or it is not measured.
    async fn home_usage(&self, home: &str) -> Result<Option<HomeUsage>, EngineError>;

    /// Removes a persistent home. The caller has made sure that no session uses it.
    async fn remove_home(&self, home: &str) -> Result<(), EngineError>;

    /// Which of `requires` are missing where sessions run; always empty for engines that run containers.
    async fn missing(&self, requires: &[Requirement]) -> Result<Vec<Requirement>, EngineError>;
}

/// Output as bytes, one line each, for plain-text answers.
#[must_use]
pub fn plain(line: &LogLine, timestamps: bool) -> Bytes {
    if timestamps {
        Bytes::from(format!("{} {}\n", line.time, line.text))
    } else {
        Bytes::from(format!("{}\n", line.text))
    }
}
