//! What a write comes to: pure decisions over the stored object, the same for whatever keeps it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Map, Value};

use super::{FieldError, Object, ObjectError, Precondition, metadata};

/// Most bytes of an object as JSON; the API server's own limit lies at 1.5 MiB.
const MOST_BYTES: usize = 1024 * 1024;

/// An object as it is kept: its JSON lacks `metadata.resourceVersion`, which is the number beside it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) revision: i64,
    pub(super) object: Value,
}

/// What to do with the stored object.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// Nothing: it is so already.
    Keep,
    /// Write this.
    Put(Value),
    /// Remove it; this is what it was last.
    Remove(Value),
}

/// The object to store for a new one.
pub(super) fn create<K: Object>(wanted: &K, namespace: &str, now: Timestamp) -> Result<Value, ObjectError> {
    let mut object = as_map(json(wanted)?);
    let meta = metadata::create(wanted.meta().clone(), namespace, now)?;
    object.insert("metadata".into(), json(&meta)?);
    object.remove("status");
    accept::<K>(Value::Object(object), None)
}

/// Replaces everything but the status.
pub(super) fn replace<K: Object>(stored: &Stored, wanted: &K) -> Result<Decision, ObjectError> {
    apply::<K>(stored, json(wanted)?)
}

/// Merges `patch` into everything but the status.
pub(super) fn patch<K: Object>(
    stored: &Stored,
    patch: &Value,
    condition: &Precondition,
) -> Result<Decision, ObjectError> {
    hold::<K>(stored, condition)?;
    if !patch.is_object() {
        return Err(invalid("", "a merge patch is an object"));
    }
    let mut merged = stored.object.clone();
    merge(&mut merged, patch);
    apply::<K>(stored, merged)
}

/// Replaces the status alone.
pub(super) fn replace_status<K: Object>(stored: &Stored, wanted: &K) -> Result<Decision, ObjectError> {
    hold::<K>(stored, &named_in(wanted.meta()))?;
    let mut object = as_map(stored.object.clone());
    match as_map(json(wanted)?).remove("status").filter(|status| !status.is_null()) {
        Some(status) => object.insert("status".into(), status),
        None => object.remove("status"),
    };
    Ok(put_unless_same(stored, accept::<K>(Value::Object(object), Some(&stored.object))?))
}

/// Removes the object, or marks it where it has finalizers.
pub(super) fn delete<K: Object>(
    stored: &Stored,
    condition: &Precondition,
    now: Timestamp,
) -> Result<Decision, ObjectError> {
    hold::<K>(stored, condition)?;
    let mut meta = meta_of(&stored.object)?;
    if meta.finalizers.as_ref().is_none_or(Vec::is_empty) {
        return Ok(Decision::Remove(stored.object.clone()));
    }
    if meta.deletion_timestamp.is_some() {
        return Ok(Decision::Keep);
    }
    meta.deletion_timestamp = Some(Time(now));
    meta.deletion_grace_period_seconds = Some(0);
    // As the API server does, so that controllers that look at generations see it.
    meta.generation = meta.generation.map(|generation| generation + 1);
    let mut object = as_map(stored.object.clone());
    object.insert("metadata".into(), json(&meta)?);
    Ok(Decision::Put(Value::Object(object)))
}

/// `object` with its `resourceVersion`.
pub(super) fn present<K: Object>(revision: i64, object: Value) -> Result<K, ObjectError> {
    let mut object: K = serde_json::from_value(object).map_err(|error| ObjectError::Failed(Box::new(error)))?;
    object.meta_mut().resource_version = Some(revision.to_string());
    Ok(object)
}

/// Everything but the status from `wanted`, the status from what is stored.
fn apply<K: Object>(stored: &Stored, wanted: Value) -> Result<Decision, ObjectError> {
    let mut wanted = as_map(wanted);
    if let Some(unknown) =
        wanted.get("metadata").and_then(Value::as_object).and_then(|meta| meta.keys().find(|k| !is_known(k)))
    {
        return Err(invalid(&format!("metadata.{unknown}"), "there is no such field"));
    }
    let meta = meta_of_map(&wanted)?;
    hold::<K>(stored, &named_in(&meta))?;
    let old = as_map(stored.object.clone());
    let old_meta = meta_of_map(&old)?;
    let mut meta = metadata::update(&old_meta, meta)?;
    match old.get("status") {
        Some(status) => wanted.insert("status".into(), status.clone()),
        None => wanted.remove("status"),
    };
    let wanted = as_map(accept::<K>(Value::Object(wanted), Some(&stored.object))?);
    let spec = |object: &Map<String, Value>| {
        object.iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status")).count()
    };
    let same = spec(&wanted) == spec(&old)
        && wanted
            .iter()
            .all(|(key, value)| matches!(key.as_str(), "metadata" | "status") || old.get(key) == Some(value));
    if !same {
        meta.generation = meta.generation.map(|generation| generation + 1);
    }
    let gone = meta.deletion_timestamp.is_some() && meta.finalizers.as_ref().is_none_or(Vec::is_empty);
    let mut wanted = wanted;
    wanted.insert("metadata".into(), json(&meta)?);
    let wanted = Value::Object(wanted);
    Ok(if gone { Decision::Remove(wanted) } else { put_unless_same(stored, wanted) })
}

fn put_unless_same(stored: &Stored, wanted: Value) -> Decision {
    if wanted == stored.object { Decision::Keep } else { Decision::Put(wanted) }
}

/// Fills in defaults, checks, and gives the one form in which an object is stored.
fn accept<K: Object>(object: Value, old: Option<&Value>) -> Result<Value, ObjectError> {
    let object = K::definition().fill(&object);
    K::definition().check(&object, old)?;
    let object: K = serde_json::from_value(object).map_err(|error| invalid("", &error.to_string()))?;
    let object = json(&object)?;
    let bytes = object.to_string().len();
    if bytes > MOST_BYTES {
        return Err(invalid("", &format!("the object has {bytes} bytes, and {MOST_BYTES} are the most")));
    }
    Ok(object)
}

/// What the metadata of a written object demands.
fn named_in(meta: &ObjectMeta) -> Precondition {
    Precondition { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() }
}

fn hold<K: Object>(stored: &Stored, condition: &Precondition) -> Result<(), ObjectError> {
    let meta = meta_of(&stored.object)?;
    let differs =
        |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_some_and(|wanted| Some(wanted) != is);
    if differs(&condition.uid, meta.uid.as_deref())
        || differs(&condition.resource_version, Some(&stored.revision.to_string()))
    {
        return Err(ObjectError::Conflict { kind: K::kind(&()).into(), name: meta.name.unwrap_or_default() });
    }
    Ok(())
}

/// JSON merge patch, RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn meta_of(object: &Value) -> Result<ObjectMeta, ObjectError> {
    meta(object.get("metadata"))
}

fn meta_of_map(object: &Map<String, Value>) -> Result<ObjectMeta, ObjectError> {
    meta(object.get("metadata"))
}

fn meta(value: Option<&Value>) -> Result<ObjectMeta, ObjectError> {
    match value {
        None => Ok(ObjectMeta::default()),
        Some(value) => serde_json::from_value(value.clone()).map_err(|error| invalid("metadata", &error.to_string())),
    }
}

fn is_known(field: &str) -> bool {
    const FIELDS: [&str; 15] = [
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    FIELDS.contains(&field)
}

fn invalid(field: &str, message: &str) -> ObjectError {
    ObjectError::Invalid(vec![FieldError::new(field, message)])
}

fn json(value: &impl serde::Serialize) -> Result<Value, ObjectError> {
    serde_json::to_value(value).map_err(|error| ObjectError::Failed(Box::new(error)))
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
