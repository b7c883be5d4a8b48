//! The port to the custom resources: the truth about sessions and templates.
//!
//! Two adapters keep the same promises, written down in `contract.rs`: the Kubernetes API, and PostgreSQL on one
//! machine. Semantics are Kubernetes': optimistic concurrency by `metadata.resourceVersion`, `generation` that
//! grows with the spec only, status apart from the spec, finalizers with `deletionTimestamp`, label selectors, and a
//! watch without a gap.

mod cached;
mod change;
mod definition;
mod index;
pub mod kubernetes;
mod metadata;
pub mod postgres;

use std::fmt::Debug;

use async_trait::async_trait;
use futures::stream::BoxStream;
use kube::{
    core::{NamespaceResourceScope, Selector},
    runtime::watcher,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::crd::EventType;
pub use crate::domain::fields::FieldError;
pub use cached::{Cached, Page};
pub use definition::Definition;
pub use kubernetes::{KubernetesStore, Manner, ResourceError, Resources, Written, redact};
pub use postgres::{PostgresStore, Retention};

/// A custom resource that the port carries.
pub trait Object:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// Its definition: defaults, structure and rules, kept here for stores that are not Kubernetes.
    fn definition() -> &'static Definition;

    /// Whose it is: the first part of the order in which it is listed. Empty for what belongs to nobody.
    fn owner(&self) -> &str;

    /// The phase under which it is counted; empty for what has none.
    fn phase(&self) -> &'static str;
}

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No such object.
    #[error("{kind} {name} does not exist")]
    NotFound {
        /// The kind, such as `Session`.
        kind: String,
        /// `metadata.name`.
        name: String,
    },
    /// The name is taken.
    #[error("{kind} {name} exists already")]
    AlreadyExists {
        /// The kind.
        kind: String,
        /// `metadata.name`.
        name: String,
    },
    /// The object changed since it was read, or a precondition (uid, resourceVersion) does not hold.
    #[error("{kind} {name} was changed meanwhile: read it again and repeat the change")]
    Conflict {
        /// The kind.
        kind: String,
        /// `metadata.name`.
        name: String,
    },
    /// The schema or a rule of the definition refuses it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The changes since that `resourceVersion` are no longer kept: list again.
    #[error("that resourceVersion is too old: read the list again")]
    Expired,
    /// The writer is no longer the leader it was when it began.
    #[error("the leadership of epoch {0} has ended")]
    Fenced(i64),
    /// The store did not answer: it may later.
    #[error("the object store did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store refused what we asked, or answered something that makes no sense: a defect of ours.
    #[error("the object store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What must hold for a write to happen; an absent part always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `metadata.uid`.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub resource_version: Option<String>,
}

/// A leadership under which a write is made; see `design: a stale leader does no harm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub i64);

/// All objects of a kind at one moment.
#[derive(Clone, Debug)]
pub struct ObjectList<K> {
    /// Sorted by name.
    pub items: Vec<K>,
    /// What to hand to [`ObjectStore::changes`] to hear of everything after this moment.
    pub resource_version: String,
}

/// One change, as [`ObjectStore::changes`] tells it.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// Created or changed: the object as it is now.
    Applied(K),
    /// Gone: the object as it was last, with the `resourceVersion` of its removal.
    Deleted(K),
}

/// A Kubernetes Event about an object; repeats of the same reason and message are folded into one with a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The kind it is about.
    pub kind: String,
    /// The name it is about.
    pub name: String,
    /// The uid it is about.
    pub uid: String,
    /// `Normal` or `Warning`.
    pub type_: EventType,
    /// One word in upper camel case.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Keeps the objects of one kind.
///
/// Names are unique within the store's namespace, which the adapter knows. All calls have a time limit of their own
/// and end in [`ObjectError::Unavailable`] when it runs out.
#[async_trait]
pub trait ObjectStore<K: Object>: Debug + Send + Sync {
    /// The object of that name.
    async fn get(&self, name: &str) -> Result<Option<K>, ObjectError>;

    /// All objects whose labels match `selector`.
    async fn list(&self, selector: &Selector) -> Result<ObjectList<K>, ObjectError>;

    /// Creates `object`; its status, `uid`, `resourceVersion`, `generation` and `creationTimestamp` are set by the store.
    async fn create(&self, object: &K) -> Result<K, ObjectError>;

    /// Replaces everything but the status. With a `resourceVersion` in the object it is a condition.
    /// Removing the last finalizer of an object that is being deleted deletes it.
    async fn replace(&self, object: &K) -> Result<K, ObjectError>;

    /// Applies a JSON merge patch (RFC 7396) to everything but the status.
    async fn patch(&self, name: &str, patch: &Value, condition: &Precondition) -> Result<K, ObjectError>;

    /// Replaces the status alone; `metadata.resourceVersion` of `object` is a condition, `epoch` the writer's leadership.
    /// A status equal to the stored one is not written and the stored object returned.
    async fn replace_status(&self, object: &K, epoch: Option<Epoch>) -> Result<K, ObjectError>;

    /// Deletes the object, or, while it has finalizers, sets `deletionTimestamp`. `None`: it is gone;
    /// otherwise the object as it waits for its finalizers.
    async fn delete(&self, name: &str, condition: &Precondition) -> Result<Option<K>, ObjectError>;

    /// First the present state between `Init` and `InitDone`, then each change, with no gap between the two.
    ///
    /// The stream neither ends nor yields an error: the adapter retries with back-off, and begins again with `Init`
    /// where changes were missed.
    fn watch(&self) -> BoxStream<'static, watcher::Event<K>>;

    /// The changes after `resource_version`, in order, and then those to come.
    ///
    /// # Errors
    /// [`ObjectError::Expired`] when the store no longer keeps them; the stream ends with that error too.
    async fn changes(
        &self,
        resource_version: &str,
    ) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError>;

    /// Records an Event about an object of this kind.
    async fn record(&self, occurrence: &Occurrence) -> Result<(), ObjectError>;

    /// The Events about the object of that name, newest last.
    async fn occurrences(&self, name: &str) -> Result<Vec<Recorded>, ObjectError>;
}

/// An Event as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionEvent)]
pub struct Recorded {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: EventType,
    /// One word in upper camel case.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// How often it happened.
    pub count: i64,
    /// The first time.
    pub first_timestamp: jiff::Timestamp,
    /// The last time.
    pub last_timestamp: jiff::Timestamp,
}
