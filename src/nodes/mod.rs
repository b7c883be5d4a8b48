//! The port to the machines that sessions run on: the nodes of a cluster, or the host itself.
//!
//! Everything that is asked is answered from memory, which the adapter keeps up to date by itself; a change goes to
//! the truth. Sessions are none of this port's business: it does not know which of them run where.

pub mod host;
pub mod kubernetes;

use std::fmt::Debug;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::{
    fields::FieldError,
    nodes::{
        Amounts, Node, NodeEvent, NodePod,
        change::{Change, Settings},
        pods::PodHere,
    },
};

pub use host::HostNodes;
pub use kubernetes::KubernetesNodes;

/// Why nodes could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// There is no node of that name.
    #[error("node {0} does not exist")]
    NotFound(String),
    /// It is at another version than the one that was insisted on.
    #[error("node {0} was changed meanwhile")]
    Stale(String),
    /// The change cannot be made.
    #[error("{0}")]
    Refused(FieldError),
    /// Whoever knows does not answer, or does not let us: a sentence.
    #[error("{0}")]
    Unavailable(String),
    /// The database does not answer, or something of our own is wrong.
    #[error(transparent)]
    Database(#[from] Box<crate::Error>),
}

impl From<crate::Error> for NodesError {
    fn from(error: crate::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// A node, with what only the adapter can tell about what is on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The node; `requested` is empty and `sessions` 0 where only the sessions tell.
    pub node: Node,
    /// What the pods on it ask for; `None` where there are no pods: then the sessions tell.
    pub requested: Option<Amounts>,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// What people had set before.
    pub before: Settings,
    /// What they have set now; `None`: it was so already.
    pub after: Option<Settings>,
}

/// What came of asking for a pod's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It ends, and has its grace for that.
    Ends,
    /// It is there no more, or another one of that name is.
    Gone,
    /// It is to stay for now, as a sentence: a PodDisruptionBudget has no room, or whoever evicts is overrun.
    NotNow(String),
}

/// The machines that sessions run on.
#[async_trait]
pub trait Nodes: Debug + Send + Sync {
    /// All of them, sorted by name.
    ///
    /// # Errors
    /// [`NodesError::Unavailable`] as long as they are not known.
    fn list(&self) -> Result<Vec<Found>, NodesError>;

    /// The node of that name.
    ///
    /// # Errors
    /// As [`Nodes::list`].
    fn get(&self, name: &str) -> Result<Option<Found>, NodesError>;

    /// The pods on that node that have not ended, sorted by namespace and name; none where there are no pods.
    ///
    /// # Errors
    /// As [`Nodes::list`].
    fn pods(&self, name: &str) -> Result<Vec<NodePod>, NodesError>;

    /// What happened to the node lately, newest first.
    ///
    /// # Errors
    /// Where whoever knows does not answer.
    async fn events(&self, name: &str) -> Result<Vec<NodeEvent>, NodesError>;

    /// Makes a change. `expected`: the `resourceVersion` that it insists on; without one it is made whatever happened
    /// meanwhile. One that changes nothing is a success.
    ///
    /// # Errors
    /// [`NodesError::NotFound`], [`NodesError::Stale`], [`NodesError::Refused`].
    async fn change(&self, name: &str, change: &Change, expected: Option<&str>) -> Result<Changed, NodesError>;

    /// The pods on that node with what decides about their eviction, sorted by namespace and name: as they are in truth,
    /// not as memory has them. None where there are no pods.
    ///
    /// # Errors
    /// [`NodesError::Unavailable`] where whoever knows does not answer, or does not let us.
    async fn bound(&self, name: &str) -> Result<Vec<PodHere>, NodesError>;

    /// Asks for the end of exactly this pod, as far as the budgets that guard it allow. `grace_seconds`: how long it may
    /// take to end; `None`: as long as it says itself.
    ///
    /// # Errors
    /// [`NodesError::Unavailable`] where it is not known whether it ends: asking again does no harm.
    async fn evict(&self, pod: &PodHere, grace_seconds: Option<u32>) -> Result<Eviction, NodesError>;

    /// Changes when something about the nodes is otherwise.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Why no session can be started at all, as a sentence; `None`: one can, or whoever places them says so itself.
    fn closed(&self) -> watch::Receiver<Option<String>>;
}
