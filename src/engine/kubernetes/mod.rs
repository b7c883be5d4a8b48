//! The engine of a cluster: each session is a pod of the session's own name, each person's home a claim.
//!
//! Names are fixed by the session, so there is never a twin; a pod belongs to its session, so it goes when that does. The
//! watch tells what there is; from what it told, addresses are dialled without asking anybody.

mod attached;
mod follow;
mod logs;
mod output;
mod pod;
mod state;

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions, ValidationDirective},
    core::Status,
};
use tokio::{net::TcpStream, sync::oneshot, time::timeout};

use self::{attached::Attachments, state::Seen};
use super::{
    Connection, ContainerOf, Engine, EngineError, Home, HomeUsage, LogLine, LogQuery, SessionId, Stage, Usage,
    Workload, WorkloadEvent, WorkloadState, board::Board,
};
use crate::{
    clock::Clock,
    crd::{Reason, Requirement},
    domain::{keys, names},
    telemetry::{steps, task::Tasks},
};

/// Longest time that a call to the API server may take.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// Longest time until a program takes a connection.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// Longest time for the first list of pods.
const FIRST_LIST_WITHIN: Duration = Duration::from_secs(30);
/// Longest that the removal of a pod or a claim may take beyond the grace that a program has.
const REMOVAL_WITHIN: Duration = Duration::from_mins(1);
/// How often it is looked whether a claim is gone, which no watch tells.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the engine is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sessions, homes and pods are.
    pub namespace: String,
    /// The namespaces beside that one of whose pods the output may be read.
    pub also_readable: Vec<String>,
    /// Whether the sessions are objects of that namespace, to which their pods then belong.
    pub owned: bool,
    /// Bytes of a home.
    pub home_bytes: u64,
    /// The class of homes; `None`: the cluster's own default.
    pub storage_class: Option<String>,
    /// How long a program may take to end when it is asked to, before it is killed.
    pub stop_grace: Duration,
    /// How long its first port may take to open.
    pub port_deadline: Duration,
}

impl Options {
    /// The usual values for that namespace.
    #[must_use]
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            also_readable: Vec::new(),
            owned: true,
            home_bytes: 10 << 30,
            storage_class: None,
            stop_grace: Duration::from_secs(10),
            port_deadline: Duration::from_mins(1),
        }
    }

    fn readable(&self, namespace: &str) -> bool {
        namespace == self.namespace || self.also_readable.iter().any(|other| other == namespace)
    }
}

/// The engine. Dropping it leaves every pod as it is.
#[derive(Debug)]
pub struct KubernetesEngine {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    client: Client,
    pods: Api<Pod>,
    claims: Api<PersistentVolumeClaim>,
    homes: Attachments,
    board: Arc<Board>,
    slots: Mutex<Slots>,
}

/// What is known of every session's pod.
#[derive(Debug, Default)]
struct Slots {
    known: HashMap<SessionId, Slot>,
    /// Uids of the pods that went last: an answer that was under way meanwhile brings none of them back.
    gone: VecDeque<String>,
}

/// What is known of a session's pod.
#[derive(Debug)]
struct Slot {
    seen: Seen,
    /// What is to run once this pod is gone.
    next: Option<Box<Workload>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("namespace", &self.options.namespace).finish_non_exhaustive()
    }
}

impl KubernetesEngine {
    /// Begins to follow the pods; returns once the state of each is known.
    ///
    /// # Errors
    /// Where the API server does not tell them within half a minute.
    pub async fn start(
        client: Client,
        options: Options,
        clock: Arc<dyn Clock>,
        tasks: &mut Tasks,
    ) -> Result<Arc<dyn Engine>, EngineError> {
        let inner = Arc::new(Inner {
            pods: Api::namespaced(client.clone(), &options.namespace),
            claims: Api::namespaced(client.clone(), &options.namespace),
            homes: Attachments::new(client.clone()),
            client,
            board: Arc::new(Board::new()),
            slots: Mutex::default(),
            clock,
            options,
        });
        let (known, all_known) = oneshot::channel();
        let (follower, stop) = (Arc::clone(&inner), tasks.stopping());
        tasks.start("pods", async move {
            tokio::select! { () = stop.cancelled() => {}, () = follow::run(follower, known) => {} }
        });
        match timeout(FIRST_LIST_WITHIN, all_known).await {
            Ok(Ok(())) => Ok(Arc::new(Self { inner })),
            Ok(Err(_)) | Err(_) => Err(EngineError::Failed("the API server has not told which pods there are".into())),
        }
    }
}

/// What to do where a workload is asked for.
enum Step {
    /// It is there, or a later one.
    Keep,
    /// There is none yet.
    Make,
    /// An earlier one, or another session's of that name, has to go first.
    After(Box<Pod>),
}

impl Inner {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing panics while it is held.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, kube::Error>> + Send) -> Result<T, EngineError> {
        match timeout(CALL_WITHIN, call).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(EngineError::Failed("the API server has not answered in time".into())),
        }
    }

    /// Our pod of that session, as it is in truth.
    async fn pod(&self, session: &SessionId) -> Result<Option<Pod>, EngineError> {
        let found = self.call(self.pods.get_opt(&session.0)).await?;
        match found {
            Some(pod) if pod.labels().get(keys::SESSION_LABEL) != Some(&session.0) => {
                Err(EngineError::Failed(format!("there is a pod {session} that is none of ours")))
            }
            found => Ok(found),
        }
    }

    async fn step(&self, workload: &Workload) -> Result<Step, EngineError> {
        let Some(pod) = self.pod(&workload.session).await? else { return Ok(Step::Make) };
        let run = pod.annotations().get(keys::RUN).and_then(|run| run.parse::<i64>().ok());
        let same = pod.annotations().get(keys::SESSION_UID) == Some(&workload.session_uid);
        let going = pod.metadata.deletion_timestamp.is_some();
        let wanted = same && !going && run >= Some(workload.run);
        Ok(if wanted && !self.tied_elsewhere(workload, &pod).await? { Step::Keep } else { Step::After(Box::new(pod)) })
    }

    /// Whether the pod waits for the node that its home was attached to, and that is so no more.
    async fn tied_elsewhere(&self, workload: &Workload, pod: &Pod) -> Result<bool, EngineError> {
        let placed = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let (Some(node), Home::Persistent(home), false) =
            (pod.annotations().get(keys::HOME_NODE), &workload.home, placed)
        else {
            return Ok(false);
        };
        let claim = self.call(self.claims.get_opt(home)).await?;
        Ok(self.homes.node_of(claim.as_ref()).await?.as_ref() != Some(node))
    }

    /// Makes the claim, unless there is one: its size may have been changed since by hand. The node that its volume is
    /// attached to.
    async fn make_home(&self, workload: &Workload) -> Result<Option<String>, EngineError> {
        let Home::Persistent(name) = &workload.home else { return Ok(None) };
        if let Some(claim) = self.call(self.claims.get_opt(name)).await? {
            return self.homes.node_of(Some(&claim)).await;
        }
        let claim = pod::claim(name, &workload.user, &self.options);
        self.call(self.claims.patch(name, &applied(), &Patch::Apply(&claim))).await?;
        steps::Step::HomeMade.taken(&workload.session.0);
        Ok(None)
    }

    /// Makes the pod, and shows it.
    async fn make(&self, workload: &Workload) -> Result<(), EngineError> {
        let home_node = self.make_home(workload).await?;
        let pod = pod::pod(workload, &self.options, home_node.as_deref());
        let made = self.call(self.pods.patch(&workload.session.0, &applied(), &Patch::Apply(&pod))).await?;
        self.take(&made);
        Ok(())
    }

    /// Asks for the end of exactly this pod.
    async fn end(&self, pod: &Pod) -> Result<(), EngineError> {
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        match timeout(CALL_WITHIN, self.pods.delete(&pod.name_any(), &params)).await {
            Ok(Ok(left)) => {
                if let Some(going) = left.left() {
                    self.take(&going);
                }
                Ok(())
            }
            // Gone, or another by now.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => Ok(()),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(EngineError::Failed("the API server has not answered in time".into())),
        }
    }

    /// Asks for the end of the session's pod, if there is one, and that nothing follows it.
    async fn stop(&self, session: &SessionId) -> Result<(), EngineError> {
        if let Some(slot) = self.slots().known.get_mut(session) {
            slot.next = None;
        }
        match self.pod(session).await? {
            Some(pod) => {
                self.take(&pod);
                self.end(&pod).await
            }
            None => Ok(()),
        }
    }

    /// Waits until the board shows nothing of the session any more.
    async fn until_gone(&self, session: &SessionId) -> Result<(), EngineError> {
        let mut events = Arc::clone(&self.board).follow();
        let gone = async {
            while self.board.get(session).is_some() {
                events.next().await;
            }
        };
        let late = |_| EngineError::Failed(format!("the pod of session {session} is still there"));
        timeout(self.options.stop_grace + REMOVAL_WITHIN, gone).await.map_err(late)
    }

    /// Where a port of the session's program is, while it runs.
    fn address(&self, session: &SessionId, port: u16) -> Result<SocketAddr, EngineError> {
        let slots = self.slots();
        let seen = slots.known.get(session).map(|slot| &slot.seen);
        match seen.filter(|seen| matches!(seen.state.stage, Stage::Running { .. })) {
            Some(Seen { address: Some(address), ports, .. }) if ports.contains(&port) => {
                Ok(SocketAddr::new(*address, port))
            }
            Some(Seen { address: Some(_), .. }) => Err(EngineError::NoSuchPort { session: session.clone(), port }),
            Some(_) | None => Err(EngineError::NotRunning(session.clone())),
        }
    }

    /// Returns once the session's program is no longer at `address`.
    async fn left(&self, session: &SessionId, port: u16, address: SocketAddr) {
        let mut events = Arc::clone(&self.board).follow();
        while self.address(session, port).is_ok_and(|now| now == address) {
            events.next().await;
        }
    }
}

/// How this engine's own fields are written.
fn applied() -> PatchParams {
    PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(pod::MANAGED_BY).force() }
}

/// Why a call failed, in the engine's words.
fn failed(error: kube::Error) -> EngineError {
    match error {
        kube::Error::Api(status) => refused(&status),
        other => EngineError::Failed(other.to_string()),
    }
}

fn refused(status: &Status) -> EngineError {
    let message = status.message.clone();
    if message.contains("exceeded quota") {
        let message = format!("The quota of the namespace is used up. ({message})");
        return EngineError::Doctor { reason: Reason::QuotaExceeded, message };
    }
    let by_policy = ["violates PodSecurity", "admission webhook", "ValidatingAdmissionPolicy", "LimitRange", "maximum"];
    if by_policy.iter().any(|words| message.contains(words)) {
        let message = format!("A policy of the cluster refuses the session. ({message})");
        return EngineError::Doctor { reason: Reason::PolicyRefused, message };
    }
    EngineError::Failed(message)
}

fn check(session: &SessionId) -> Result<(), EngineError> {
    if names::is_dns_label(&session.0) {
        Ok(())
    } else {
        Err(EngineError::Failed(format!("{:?} is not a session's name", session.0)))
    }
}

fn check_home(name: &str) -> Result<(), EngineError> {
    // As the label by which pods of one home find each other it is a label's value, too.
    if names::is_dns_label(name) { Ok(()) } else { Err(EngineError::Failed(format!("{name:?} is not a home's name"))) }
}

#[async_trait]
impl Engine for KubernetesEngine {
    async fn ensure(&self, workload: &Workload) -> Result<(), EngineError> {
        check(&workload.session)?;
        if let Home::Persistent(name) = &workload.home {
            check_home(name)?;
        }
        match self.inner.step(workload).await? {
            Step::Keep => Ok(()),
            Step::Make => self.inner.make(workload).await,
            Step::After(pod) => {
                self.inner.take(&pod);
                if self.inner.follow_with(workload) {
                    self.inner.end(&pod).await
                } else {
                    // It went while it was looked at.
                    self.inner.make(workload).await
                }
            }
        }
    }

    async fn stop(&self, session: &SessionId) -> Result<(), EngineError> {
        check(session)?;
        self.inner.stop(session).await
    }

    async fn remove(&self, session: &SessionId) -> Result<(), EngineError> {
        check(session)?;
        self.inner.stop(session).await?;
        self.inner.until_gone(session).await
    }

    async fn state(&self, session: &SessionId) -> Result<Option<WorkloadState>, EngineError> {
        Ok(self.inner.board.get(session))
    }

    fn watch(&self) -> BoxStream<'static, WorkloadEvent> {
        Arc::clone(&self.inner.board).follow()
    }

    async fn dial(&self, session: &SessionId, port: u16) -> Result<Box<dyn Connection>, EngineError> {
        check(session)?;
        let address = self.inner.address(session, port)?;
        let unreachable = |source| EngineError::Unreachable { session: session.clone(), port, source };
        let connected = tokio::select! {
            connected = timeout(DIAL_WITHIN, TcpStream::connect(address)) => connected,
            // Of an address that nobody has any more there comes no answer at all.
            () = self.inner.left(session, port, address) => return Err(EngineError::NotRunning(session.clone())),
        };
        let stream = connected.map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))?.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(Box::new(stream))
    }

    async fn logs(
        &self,
        session: &SessionId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        check(session)?;
        Ok(logs::read(Arc::clone(&self.inner), session.clone(), query))
    }

    fn namespace(&self) -> &str {
        &self.inner.options.namespace
    }

    fn reads_pods_in(&self, namespace: &str) -> bool {
        self.inner.options.readable(namespace)
    }

    async fn output(
        &self,
        of: &ContainerOf,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        output::read(&self.inner, of, query).await
    }

    async fn usage(&self, _: &SessionId) -> Result<Option<Usage>, EngineError> {
        // What runs in a cluster is measured by its metrics server, and told by the feed of the cluster.
        Ok(None)
    }

    async fn home_usage(&self, _: &str) -> Result<Option<HomeUsage>, EngineError> {
        // Kubernetes measures volumes on their nodes only; a volume that is full says so itself.
        Ok(None)
    }

    async fn remove_home(&self, home: &str) -> Result<(), EngineError> {
        check_home(home)?;
        match timeout(CALL_WITHIN, self.inner.claims.delete(home, &DeleteParams::default())).await {
            Ok(Ok(_)) => {}
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => return Ok(()),
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => return Err(EngineError::Failed("the API server has not answered in time".into())),
        }
        let gone = async {
            while self.inner.call(self.inner.claims.get_opt(home)).await?.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let late = |_| EngineError::Failed(format!("the home {home} is still in use"));
        timeout(REMOVAL_WITHIN, gone).await.map_err(late)?
    }

    async fn missing(&self, _: &[Requirement]) -> Result<Vec<Requirement>, EngineError> {
        Ok(Vec::new())
    }
}
