//! Objects in the Kubernetes API: the adapter for a cluster.
//!
//! What the port promises is the API server's own behaviour, so this asks it, within time limits, and says its refusals
//! in the port's words. Managed fields are dropped as they come in: nobody here reads them, and they are half of an
//! object.

mod answer;
mod changes;
mod mirror;
mod occurrences;
mod resources;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, ValidationDirective},
    core::Selector,
    runtime::watcher,
};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    Change, Epoch, FieldError, Object, ObjectError, ObjectList, ObjectStore, Occurrence, Precondition, Recorded,
    metadata,
};
pub use resources::{Manner, ResourceError, Resources, Written, redact};

use crate::{clock::Clock, domain::names::is_subdomain, store::leadership::Leadership};

/// Longest time that a call may take; a request as a whole has 10 s.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How often a write without a version is tried where others write at the same moment.
const TRIES: usize = 8;
/// Objects in one answer to a list.
const PAGE: u32 = 500;
/// Under which our fields stand in `metadata.managedFields`.
const MANAGER: &str = "streamspace";

/// Keeps the objects of one kind in the Kubernetes API. A cheap handle.
pub struct KubernetesStore<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for KubernetesStore<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Object> fmt::Debug for KubernetesStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesStore")
            .field("kind", &self.inner.kind)
            .field("namespace", &self.inner.namespace)
            .finish_non_exhaustive()
    }
}

struct Inner<K> {
    objects: Api<K>,
    events: Api<Event>,
    namespace: String,
    kind: String,
    clock: Arc<dyn Clock>,
    leadership: Option<Leadership>,
    /// Whether the API server sends a list as the beginning of a watch; until it refuses it is taken to.
    streams_lists: AtomicBool,
}

impl<K: Object> KubernetesStore<K> {
    /// A store for the objects of `namespace`, whose definitions the cluster has.
    ///
    /// `leadership`: what has to hold, for the time of a call, where a status is written under an epoch. Without one
    /// the epoch in the stored status alone decides.
    #[must_use]
    pub fn new(client: Client, namespace: &str, clock: Arc<dyn Clock>, leadership: Option<Leadership>) -> Self {
        let inner = Inner {
            objects: Api::namespaced(client.clone(), namespace),
            events: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            kind: K::kind(&()).into_owned(),
            clock,
            leadership,
            streams_lists: AtomicBool::new(true),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a call about the object of that name within its time.
    async fn call<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>> + Send,
    ) -> Result<T, ObjectError> {
        match timeout(CALL_WITHIN, call).await {
            Ok(answer) => answer.map_err(|error| answer::error(&self.inner.kind, name, error)),
            Err(late) => Err(ObjectError::Unavailable(Box::new(late))),
        }
    }

    /// Refuses a name that none can have: in a URL it might lead to something else.
    fn check(&self, name: &str) -> Result<(), ObjectError> {
        if is_subdomain(name) { Ok(()) } else { Err(self.not_found(name)) }
    }

    fn not_found(&self, name: &str) -> ObjectError {
        ObjectError::NotFound { kind: self.inner.kind.clone(), name: name.to_owned() }
    }

    /// Refuses a patch of what only the store sets: the API server would leave it out without a word.
    async fn check_what_is_set(&self, name: &str, patch: &Value) -> Result<(), ObjectError> {
        let times = ["creationTimestamp", "deletionTimestamp"];
        let wanted: Map<String, Value> = patch["metadata"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(field, value)| times.contains(&field.as_str()) && !value.is_null())
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted = serde_json::from_value(Value::Object(wanted))
            .map_err(|error| ObjectError::Invalid(vec![FieldError::new("metadata", error)]))?;
        let found = self.get(name).await?.ok_or_else(|| self.not_found(name))?;
        metadata::update(found.meta(), wanted).map(drop)
    }

    /// The version that the object of that name has now.
    async fn version_of(&self, name: &str) -> Result<Option<String>, ObjectError> {
        let found = self.get(name).await?.ok_or_else(|| self.not_found(name))?;
        Ok(found.meta().resource_version.clone())
    }

    /// Writes by `write`, which is handed the object with a version. Where the caller demands none it is the present
    /// one, and what comes between is met with another try.
    async fn write<F: Future<Output = Result<K, kube::Error>> + Send>(
        &self,
        object: &K,
        write: impl Fn(K) -> F + Send,
    ) -> Result<K, ObjectError> {
        let name = object.meta().name.clone().unwrap_or_default();
        self.check(&name)?;
        let mut wanted = object.clone();
        wanted.meta_mut().managed_fields = None;
        if wanted.meta().resource_version.is_some() {
            return self.call(&name, write(wanted)).await.map(tidy);
        }
        let mut tries = 1;
        loop {
            wanted.meta_mut().resource_version = self.version_of(&name).await?;
            match self.call(&name, write(wanted.clone())).await {
                Err(ObjectError::Conflict { .. }) if tries < TRIES => tries += 1,
                done => return done.map(tidy),
            }
        }
    }

    /// One page after another, all of the same moment.
    async fn list_pages(&self, selector: &Selector) -> Result<ObjectList<K>, ObjectError> {
        let mut params = ListParams::default().limit(PAGE);
        if !selector.selects_all() {
            params = params.labels_from(selector);
        }
        let mut list = ObjectList { items: Vec::new(), resource_version: String::new() };
        loop {
            let page = self.call("", self.inner.objects.list(&params)).await?;
            list.items.extend(page.items.into_iter().map(tidy));
            list.resource_version = page.metadata.resource_version.unwrap_or_default();
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => params = params.continue_token(&next),
                _ => return Ok(list),
            }
        }
    }

    /// Whether a status may be written under that epoch for as long as a call takes.
    fn leads(&self, epoch: Epoch) -> bool {
        self.inner.leadership.as_ref().is_none_or(|leadership| leadership.holds(epoch.0, CALL_WITHIN))
    }
}

/// Without what only the API server has use for.
fn tidy<K: Object>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

fn by_us() -> PostParams {
    PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() }
}

#[async_trait]
impl<K: Object> ObjectStore<K> for KubernetesStore<K> {
    async fn get(&self, name: &str) -> Result<Option<K>, ObjectError> {
        if self.check(name).is_err() {
            return Ok(None);
        }
        Ok(self.call(name, self.inner.objects.get_opt(name)).await?.map(tidy))
    }

    async fn list(&self, selector: &Selector) -> Result<ObjectList<K>, ObjectError> {
        match self.list_pages(selector).await {
            // The moment of the first page was forgotten before the last one was asked for.
            Err(ObjectError::Expired) => self.list_pages(selector).await,
            list => list,
        }
    }

    async fn create(&self, object: &K) -> Result<K, ObjectError> {
        let mut wanted = object.clone();
        let meta = wanted.meta_mut();
        meta.resource_version = None;
        meta.managed_fields = None;
        let name = meta.name.clone().unwrap_or_default();
        let made = self.call(&name, self.inner.objects.create(&by_us(), &wanted)).await.map(tidy);
        made.map_err(|error| match error {
            ObjectError::NotFound { .. } => {
                let namespace = &self.inner.namespace;
                let message = format!("there is no namespace {namespace}, or no definition of {}", self.inner.kind);
                ObjectError::Failed(message.into())
            }
            other => other,
        })
    }

    async fn replace(&self, object: &K) -> Result<K, ObjectError> {
        self.write(object, |wanted| async move {
            let name = wanted.meta().name.clone().unwrap_or_default();
            self.inner.objects.replace(&name, &by_us(), &wanted).await
        })
        .await
    }

    async fn patch(&self, name: &str, patch: &Value, condition: &Precondition) -> Result<K, ObjectError> {
        self.check(name)?;
        let patch = conditional(patch, condition)?;
        self.check_what_is_set(name, &patch).await?;
        let unconditional = patch.pointer("/metadata/resourceVersion").is_none();
        let params = PatchParams {
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let mut tries = 1;
        loop {
            match self.call(name, self.inner.objects.patch(name, &params, &Patch::Merge(&patch))).await {
                // The API server tries a few times itself, too few where many write the same object.
                Err(ObjectError::Conflict { .. }) if unconditional && tries < TRIES => tries += 1,
                done => return done.map(tidy),
            }
        }
    }

    async fn replace_status(&self, object: &K, epoch: Option<Epoch>) -> Result<K, ObjectError> {
        if let Some(epoch) = epoch.filter(|epoch| !self.leads(*epoch)) {
            return Err(ObjectError::Fenced(epoch.0));
        }
        let written = self.write(object, |wanted| async move {
            let name = wanted.meta().name.clone().unwrap_or_default();
            self.inner.objects.replace_status(&name, &by_us(), &wanted).await
        });
        match (written.await, epoch) {
            // A rule of the definition: a later leader has written meanwhile.
            (Err(ObjectError::Invalid(wrong)), Some(epoch))
                if wrong.iter().any(|wrong| wrong.field == "status.leaderEpoch") =>
            {
                Err(ObjectError::Fenced(epoch.0))
            }
            (done, _) => done,
        }
    }

    async fn delete(&self, name: &str, condition: &Precondition) -> Result<Option<K>, ObjectError> {
        self.check(name)?;
        let preconditions =
            Preconditions { uid: condition.uid.clone(), resource_version: condition.resource_version.clone() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        let left = self.call(name, self.inner.objects.delete(name, &params)).await?.left();
        Ok(left.filter(|object| object.meta().finalizers.as_ref().is_some_and(|all| !all.is_empty())).map(tidy))
    }

    fn watch(&self) -> BoxStream<'static, watcher::Event<K>> {
        self.clone().events()
    }

    async fn changes(
        &self,
        resource_version: &str,
    ) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError> {
        self.clone().changes_after(resource_version.to_owned()).await
    }

    async fn record(&self, occurrence: &Occurrence) -> Result<(), ObjectError> {
        self.write_occurrence(occurrence).await
    }

    async fn occurrences(&self, name: &str) -> Result<Vec<Recorded>, ObjectError> {
        self.read_occurrences(name).await
    }
}

/// The patch with what must hold for it.
fn conditional(patch: &Value, condition: &Precondition) -> Result<Value, ObjectError> {
    let invalid = |field: &str, message: &str| ObjectError::Invalid(vec![FieldError::new(field, message)]);
    let mut patch = patch.as_object().cloned().ok_or_else(|| invalid("", "a merge patch is an object"))?;
    let demanded = [("uid", &condition.uid), ("resourceVersion", &condition.resource_version)];
    for (field, wanted) in demanded.into_iter().filter_map(|(field, wanted)| Some((field, wanted.as_ref()?))) {
        let metadata = patch.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let metadata = metadata.as_object_mut().ok_or_else(|| invalid("metadata", "it is an object"))?;
        metadata.insert(field.into(), Value::String(wanted.clone()));
    }
    Ok(Value::Object(patch))
}
