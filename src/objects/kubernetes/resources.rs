//! Objects of a cluster that are none of the platform's own, as the API server's discovery knows them.

use std::{fmt, sync::Arc, time::Duration};

use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, ValidationDirective},
    core::{GroupVersionKind, Status},
    discovery::{self, Scope},
    error::DiscoveryError,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::FieldError,
    answer,
    mirror::{Mirrors, Place},
};
use crate::domain::{
    cluster::{Kind, Listed, Target},
    names::is_subdomain,
};

/// Longest time that a call may take; a request as a whole has 10 s.
const CALL_WITHIN: Duration = Duration::from_secs(3);
/// Under which what people apply stands in `metadata.managedFields`.
const MANAGER: &str = "streamspace-resources";
/// Where kubectl keeps the whole of what was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How the API server's answer begins to a manifest that its kind's schema does not know.
const UNTYPED: &str = "failed to create typed patch object";
/// Stands where the contents of a Secret stood.
const REMOVED: &str = "(removed)";

/// Why an object could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// There is none, or it is none of those that are shown.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It is at another version than the one that was insisted on.
    #[error("{0} was changed meanwhile")]
    Stale(String),
    /// Fields are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// It is not among what may be changed: a sentence with the remedy.
    #[error("{0}")]
    NotAllowed(String),
    /// Something else is in the way: a sentence.
    #[error("{0}")]
    Conflict(String),
    /// The API server does not answer: a sentence.
    #[error("{0}")]
    Unavailable(String),
}

impl ResourceError {
    fn field(field: &str, message: impl fmt::Display) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }
}

/// What came of a change.
#[derive(Clone, Debug)]
pub struct Written {
    /// What was there before.
    pub before: Option<DynamicObject>,
    /// What is there now; `None`: nothing, or not for long.
    pub after: Option<DynamicObject>,
}

/// How a change is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// It is judged and answered, and not made.
    pub dry_run: bool,
    /// Fields that others manage are taken over.
    pub force: bool,
}

/// The objects of a cluster. A cheap handle.
#[derive(Clone)]
pub struct Resources(Arc<Inner>);

struct Inner {
    client: Client,
    namespaces: Vec<String>,
    kinds: Vec<Kind>,
    mirrors: Mirrors,
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resources").field("namespaces", &self.0.namespaces).finish_non_exhaustive()
    }
}

impl Resources {
    /// The objects in `namespaces`, of which those of `kinds` may be changed.
    #[must_use]
    pub fn new(client: Client, namespaces: Vec<String>, kinds: Vec<Kind>) -> Self {
        Self(Arc::new(Inner { mirrors: Mirrors::new(client.clone()), client, namespaces, kinds }))
    }

    /// All objects of that kind within reach, or those in one namespace, by namespace and name.
    ///
    /// # Errors
    /// [`ResourceError::NotFound`] for a namespace that is not shown, [`ResourceError::NotAllowed`] where the cluster does
    /// not let the server read them.
    pub async fn list(&self, kind: Listed, namespace: Option<&str>) -> Result<Vec<Arc<DynamicObject>>, ResourceError> {
        let namespaces: Vec<&String> =
            self.0.namespaces.iter().filter(|name| namespace.is_none_or(|asked| asked == *name)).collect();
        if let (Some(asked), true) = (namespace, namespaces.is_empty()) {
            return Err(ResourceError::NotFound(format!("namespace {asked} among those that are shown")));
        }
        let mut found = Vec::new();
        match kind {
            Listed::Nodes => found = self.0.mirrors.all(kind, Place::Everywhere).await?,
            // A right to one namespace gives no right to a list of them.
            Listed::Namespaces => {
                for name in namespaces {
                    found.push(Arc::new(self.namespace(name).await?));
                }
            }
            Listed::Pods | Listed::Deployments | Listed::Services | Listed::PersistentVolumeClaims => {
                for name in namespaces {
                    found.extend(self.0.mirrors.all(kind, Place::In(name.clone())).await?);
                }
            }
        }
        found.sort_by_cached_key(|object| (object.namespace(), object.name_any()));
        Ok(found)
    }

    async fn namespace(&self, name: &str) -> Result<DynamicObject, ResourceError> {
        let kind = Kind { group: String::new(), version: "v1".into(), kind: "Namespace".into() };
        let api = Api::all_with(self.0.client.clone(), &resource_of(Listed::Namespaces));
        let target = Target { kind, namespace: None, name: name.to_owned() };
        let object = call(&target, api.get(name)).await?;
        Ok(shown(&target.kind, object))
    }

    /// Applies a manifest as the server side does it: makes what is not there, and changes what is.
    ///
    /// # Errors
    /// Any of them.
    pub async fn apply(&self, target: &Target, manifest: &Value, manner: Manner) -> Result<Written, ResourceError> {
        let api = self.api(target).await?;
        let before = call(target, api.get_opt(&target.name)).await?;
        let params = PatchParams {
            dry_run: manner.dry_run,
            force: manner.force,
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let after = call(target, api.patch(&target.name, &params, &Patch::Apply(manifest))).await?;
        Ok(Written::of(&target.kind, before, Some(after)))
    }

    /// Merges `patch` into an object that is there. `expected`: the `resourceVersion` that it insists on.
    ///
    /// # Errors
    /// Any of them.
    pub async fn patch(
        &self,
        target: &Target,
        patch: &Value,
        expected: Option<&str>,
        dry_run: bool,
    ) -> Result<Written, ResourceError> {
        let api = self.api(target).await?;
        let before = call(target, api.get(&target.name)).await?;
        let mut patch = patch.clone();
        if let Some(expected) = expected {
            crate::domain::merge::patch(&mut patch, &json!({ "metadata": { "resourceVersion": expected } }));
        }
        let params = PatchParams {
            dry_run,
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let after = call(target, api.patch(&target.name, &params, &Patch::Merge(&patch))).await?;
        Ok(Written::of(&target.kind, Some(before), Some(after)))
    }

    /// Deletes an object, and what belongs to it after it.
    ///
    /// # Errors
    /// Any of them.
    pub async fn delete(
        &self,
        target: &Target,
        expected: Option<&str>,
        dry_run: bool,
    ) -> Result<Written, ResourceError> {
        let api = self.api(target).await?;
        let before = call(target, api.get(&target.name)).await?;
        let preconditions = Some(Preconditions { uid: before.uid(), resource_version: expected.map(str::to_owned) });
        let params = DeleteParams { dry_run, preconditions, ..DeleteParams::background() };
        let left = call(target, api.delete(&target.name, &params)).await?.left();
        Ok(Written::of(&target.kind, Some(before), left))
    }

    /// What is there, where it may be changed and the cluster tells.
    pub async fn peek(&self, target: &Target) -> Option<DynamicObject> {
        let api = self.api(target).await.ok()?;
        let found = call(target, api.get_opt(&target.name)).await.ok()??;
        Some(shown(&target.kind, found))
    }

    /// The way to that object, where it may be changed.
    async fn api(&self, target: &Target) -> Result<Api<DynamicObject>, ResourceError> {
        let Target { kind, namespace, name } = target;
        if !self.0.kinds.contains(kind) {
            let sentence = format!("{kind} is not among the kinds that may be changed here: add it to CLUSTER_KINDS");
            return Err(ResourceError::NotAllowed(sentence));
        }
        // In a URL it might lead to something else.
        if !is_subdomain(name) {
            return Err(ResourceError::field("name", "write lower-case letters, digits, hyphens and dots"));
        }
        let (resource, scope) = self.discover(kind).await?;
        match (scope, namespace) {
            (Scope::Cluster, None) => Ok(Api::all_with(self.0.client.clone(), &resource)),
            (Scope::Cluster, Some(_)) => {
                Err(ResourceError::field("namespace", format!("a {} is in no namespace: leave it out", kind.kind)))
            }
            (Scope::Namespaced, None) => Err(ResourceError::field("namespace", "is needed for this kind")),
            (Scope::Namespaced, Some(namespace)) if self.0.namespaces.contains(namespace) => {
                Ok(Api::namespaced_with(self.0.client.clone(), namespace, &resource))
            }
            (Scope::Namespaced, Some(namespace)) => {
                let sentence =
                    format!("namespace {namespace} is not among those that are shown: add it to CLUSTER_NAMESPACES");
                Err(ResourceError::NotAllowed(sentence))
            }
        }
    }

    /// What the API server calls that kind, and whether it is in namespaces.
    async fn discover(&self, kind: &Kind) -> Result<(ApiResource, Scope), ResourceError> {
        let asked = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let unknown = || ResourceError::field("kind", format!("the cluster does not know what a {kind} is"));
        match timeout(CALL_WITHIN, discovery::pinned_kind(&self.0.client, &asked)).await {
            Ok(Ok((resource, capabilities))) => Ok((resource, capabilities.scope)),
            Ok(Err(kube::Error::Discovery(
                DiscoveryError::MissingKind(_) | DiscoveryError::MissingApiGroup(_) | DiscoveryError::EmptyApiGroup(_),
            ))) => Err(unknown()),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(unknown()),
            Ok(Err(error)) => Err(ResourceError::Unavailable(format!("the API server does not answer: {error}"))),
            Err(_) => Err(ResourceError::Unavailable("the API server has not answered in time: try again".into())),
        }
    }
}

impl Written {
    fn of(kind: &Kind, before: Option<DynamicObject>, after: Option<DynamicObject>) -> Self {
        Self { before: before.map(|object| shown(kind, object)), after: after.map(|object| shown(kind, object)) }
    }
}

/// The resource of a kind that is shown.
pub(super) fn resource_of(kind: Listed) -> ApiResource {
    use k8s_openapi::api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Node, PersistentVolumeClaim, Pod, Service},
    };
    match kind {
        Listed::Nodes => ApiResource::erase::<Node>(&()),
        Listed::Pods => ApiResource::erase::<Pod>(&()),
        Listed::Deployments => ApiResource::erase::<Deployment>(&()),
        Listed::Services => ApiResource::erase::<Service>(&()),
        Listed::Namespaces => ApiResource::erase::<Namespace>(&()),
        Listed::PersistentVolumeClaims => ApiResource::erase::<PersistentVolumeClaim>(&()),
    }
}

/// The object without what only the API server has use for, and without a Secret's contents.
fn shown(kind: &Kind, mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    if kind.is_secret() {
        object.metadata.annotations.iter_mut().for_each(|all| drop(all.remove(LAST_APPLIED)));
        redact(&mut object.data);
    }
    object
}

/// Takes the contents out of a Secret, as an object or as a manifest; the names of its keys stay.
pub fn redact(secret: &mut Value) {
    for part in ["data", "stringData"] {
        match secret.get_mut(part) {
            Some(Value::Object(keys)) => keys.values_mut().for_each(|value| *value = REMOVED.into()),
            Some(other) => *other = REMOVED.into(),
            None => {}
        }
    }
}

/// Makes a call about that object within its time.
async fn call<T>(
    target: &Target,
    call: impl Future<Output = Result<T, kube::Error>> + Send,
) -> Result<T, ResourceError> {
    match timeout(CALL_WITHIN, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(refusal(target, &status)),
        Ok(Err(error)) => Err(ResourceError::Unavailable(format!("the API server does not answer: {error}"))),
        Err(_) => Err(ResourceError::Unavailable("the API server has not answered in time: try again".into())),
    }
}

fn refusal(target: &Target, status: &Status) -> ResourceError {
    match status.code {
        404 => ResourceError::NotFound(target.to_string()),
        403 => ResourceError::NotAllowed(refused(&status.message)),
        // Of two things that are in the way the server side names one by its fields: who manages them.
        409 if status.details.iter().any(|details| !details.causes.is_empty()) => {
            let message = &status.message;
            ResourceError::Conflict(format!(
                "others manage some of these fields: take them over with force=true. ({message})"
            ))
        }
        409 => ResourceError::Stale(target.to_string()),
        400 | 413 | 422 => ResourceError::Invalid(answer::wrong_fields(status)),
        // An apply of what its kind has not: that is what was sent, whatever the status says.
        500 if status.message.starts_with(UNTYPED) => ResourceError::Invalid(undeclared(&status.message)),
        429 | 500..=599 => ResourceError::Unavailable(format!("the API server is busy: {}", status.message)),
        _ => ResourceError::Conflict(status.message.clone()),
    }
}

/// The fields in `…: .spec.colour: field not declared in schema`, of which there is one a line.
fn undeclared(message: &str) -> Vec<FieldError> {
    let told = message.split_once("): ").map_or(message, |(_, told)| told);
    let fields = told.lines().filter_map(|line| line.trim().strip_prefix('.')?.split_once(": "));
    let wrong: Vec<FieldError> = fields.map(|(field, why)| FieldError::new(field, why)).collect();
    if wrong.is_empty() { vec![FieldError::new("", told)] } else { wrong }
}

/// Said where the server's account may not do something, or a policy is against it.
pub(super) fn refused(message: &str) -> String {
    format!(
        "the cluster does not let the server do that: give its service account the right, or ask who set the policy. ({message})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_a_kind_has_not_are_named() {
        let one = format!("{UNTYPED} (here/x; /v1, Kind=ConfigMap): .dota: field not declared in schema");
        let two = format!(
            "{UNTYPED} (here/x; /v1, Kind=ConfigMap): errors:\n  .a.b: field not declared in schema\n  .c: expected map"
        );
        let fields = |text: &str| undeclared(text).into_iter().map(|wrong| wrong.field).collect::<Vec<_>>();
        assert_eq!(fields(&one), ["dota"]);
        assert_eq!(fields(&two), ["a.b", "c"]);
        assert_eq!(fields("something else"), [""]);
    }

    #[test]
    fn nothing_of_a_secret_is_shown_but_its_name_and_its_keys() {
        let secret: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "s", "annotations": { LAST_APPLIED: "{\"data\":\"hunter2\"}", "team": "blue" } },
            "data": { "password": "hunter2" }, "stringData": "hunter2",
        }))
        .unwrap();
        let kind = Kind::parse("v1/Secret").unwrap();
        let told = serde_json::to_string(&shown(&kind, secret.clone())).unwrap();
        assert!(
            !told.contains("hunter2") && told.contains("\"password\":\"(removed)\"") && told.contains("blue"),
            "{told}"
        );
        // The control: of what is no secret everything is shown.
        let other = Kind::parse("v1/ConfigMap").unwrap();
        assert!(serde_json::to_string(&shown(&other, secret)).unwrap().contains("hunter2"));
    }
}
