//! Rules about `metadata`, as the API server keeps them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{FieldError, ObjectError};
use crate::domain::names::{is_qualified, is_subdomain, is_word};

/// Most bytes of all annotations together.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// Metadata of a new object: what the caller may choose, and what the store sets.
///
/// # Errors
/// [`ObjectError::Invalid`] for a name, label, annotation or finalizer that Kubernetes would refuse.
pub(super) fn create(wanted: ObjectMeta, namespace: &str, now: Timestamp) -> Result<ObjectMeta, ObjectError> {
    let mut wrong = Vec::new();
    name(wanted.name.as_deref().unwrap_or_default(), &mut wrong);
    same("namespace", wanted.namespace.as_deref(), Some(namespace), &mut wrong);
    chosen(&wanted, &mut wrong);
    invalid(wrong)?;
    Ok(ObjectMeta {
        name: wanted.name,
        namespace: Some(namespace.into()),
        labels: wanted.labels.filter(|labels| !labels.is_empty()),
        annotations: wanted.annotations.filter(|annotations| !annotations.is_empty()),
        finalizers: wanted.finalizers.filter(|finalizers| !finalizers.is_empty()),
        owner_references: wanted.owner_references.filter(|owners| !owners.is_empty()),
        uid: Some(uuid::Uuid::new_v4().to_string()),
        generation: Some(1),
        creation_timestamp: Some(Time(now)),
        ..ObjectMeta::default()
    })
}

/// Metadata after a change: labels, annotations, finalizers and owners are the caller's, all else stays.
///
/// # Errors
/// [`ObjectError::Invalid`] where the caller would change what stays.
pub(super) fn update(old: &ObjectMeta, wanted: ObjectMeta) -> Result<ObjectMeta, ObjectError> {
    let mut wrong = Vec::new();
    same("name", wanted.name.as_deref(), old.name.as_deref(), &mut wrong);
    same("namespace", wanted.namespace.as_deref(), old.namespace.as_deref(), &mut wrong);
    let seconds = |time: &Option<Time>| time.as_ref().map(|time| time.0.as_second());
    for (field, wanted, old) in [
        ("creationTimestamp", seconds(&wanted.creation_timestamp), seconds(&old.creation_timestamp)),
        ("deletionTimestamp", seconds(&wanted.deletion_timestamp), seconds(&old.deletion_timestamp)),
    ] {
        if wanted.is_some() && wanted != old {
            wrong.push(FieldError::new(format!("metadata.{field}"), "it cannot be changed"));
        }
    }
    chosen(&wanted, &mut wrong);
    let before = old.finalizers.as_deref().unwrap_or_default();
    let added = wanted.finalizers.iter().flatten().find(|finalizer| !before.contains(finalizer));
    if let (Some(_), Some(added)) = (&old.deletion_timestamp, added) {
        wrong.push(FieldError::new(
            "metadata.finalizers",
            format!("{added} comes too late: the object is being deleted"),
        ));
    }
    invalid(wrong)?;
    Ok(ObjectMeta {
        labels: wanted.labels.filter(|labels| !labels.is_empty()),
        annotations: wanted.annotations.filter(|annotations| !annotations.is_empty()),
        finalizers: wanted.finalizers.filter(|finalizers| !finalizers.is_empty()),
        owner_references: wanted.owner_references.filter(|owners| !owners.is_empty()),
        ..old.clone()
    })
}

fn invalid(wrong: Vec<FieldError>) -> Result<(), ObjectError> {
    if wrong.is_empty() { Ok(()) } else { Err(ObjectError::Invalid(wrong)) }
}

fn same(field: &str, wanted: Option<&str>, old: Option<&str>, wrong: &mut Vec<FieldError>) {
    if let Some(wanted) = wanted
        && Some(wanted) != old
    {
        wrong.push(FieldError::new(
            format!("metadata.{field}"),
            format!("it is {} and cannot be changed", old.unwrap_or("empty")),
        ));
    }
}

/// A DNS subdomain, as Kubernetes asks of the names of custom resources.
fn name(name: &str, wrong: &mut Vec<FieldError>) {
    if !is_subdomain(name) {
        let message = "a name has lower-case letters, digits, hyphens and dots, begins and ends with a letter or digit, and has at most 253 characters";
        wrong.push(FieldError::new("metadata.name", message));
    }
}

/// What the caller may choose.
fn chosen(meta: &ObjectMeta, wrong: &mut Vec<FieldError>) {
    for (key, value) in meta.labels.iter().flatten() {
        if !is_qualified(key) || !(value.is_empty() || is_word(value)) {
            let message = format!(
                "{key}={value} is no label: both sides have at most 63 letters, digits, hyphens, dots and underscores"
            );
            wrong.push(FieldError::new("metadata.labels", message));
        }
    }
    let mut bytes = 0;
    for (key, value) in meta.annotations.iter().flatten() {
        bytes += key.len() + value.len();
        if !is_qualified(&key.to_lowercase()) {
            wrong.push(FieldError::new(
                "metadata.annotations",
                format!("{key} is no name of an annotation: write example.org/name"),
            ));
        }
    }
    if bytes > MOST_ANNOTATIONS {
        wrong.push(FieldError::new("metadata.annotations", "all annotations together have at most 256 KiB"));
    }
    for finalizer in meta.finalizers.iter().flatten() {
        if !finalizer.contains('/') || !is_qualified(finalizer) {
            wrong.push(FieldError::new(
                "metadata.finalizers",
                format!("{finalizer} is no finalizer: write example.org/name"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn named(name: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }
    }

    #[test]
    fn a_new_object_gets_what_only_the_store_may_say() {
        let forged = ObjectMeta {
            uid: Some("mine".into()),
            generation: Some(9),
            resource_version: Some("7".into()),
            ..named("a")
        };
        let meta = create(forged, "here", NOON).unwrap();
        assert_eq!((meta.generation, meta.resource_version, meta.namespace.as_deref()), (Some(1), None, Some("here")));
        assert_eq!(meta.creation_timestamp, Some(Time(NOON)));
        assert_ne!(meta.uid.as_deref(), Some("mine"));
    }

    #[test]
    fn names_are_dns_subdomains() {
        for good in ["a", "a-b.c-d", "0", &"x".repeat(253)] {
            assert!(create(named(good), "n", NOON).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a_b", "a/b", &"x".repeat(254)] {
            assert!(create(named(bad), "n", NOON).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_annotations_and_finalizers_have_kubernetes_own_form() {
        let with = |labels: &[(&str, &str)], finalizer: Option<&str>| {
            let labels: BTreeMap<_, _> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            ObjectMeta { labels: Some(labels), finalizers: finalizer.map(|f| vec![f.into()]), ..named("a") }
        };
        assert!(create(with(&[("example.org/a", "B_c.1"), ("x", "")], Some("example.org/keep")), "n", NOON).is_ok());
        for bad in [with(&[("a/b/c", "x")], None), with(&[("a", "b c")], None), with(&[], Some("keep"))] {
            assert!(create(bad, "n", NOON).is_err());
        }
    }

    #[test]
    fn a_finalizer_cannot_join_an_object_that_is_being_deleted() {
        let mut old = create(named("a"), "n", NOON).unwrap();
        let with = ObjectMeta { finalizers: Some(vec!["example.org/x".into()]), ..named("a") };
        assert!(update(&old, with.clone()).is_ok());
        old.deletion_timestamp = Some(Time(NOON));
        assert!(update(&old, with).is_err());
    }

    #[test]
    fn what_the_store_has_set_stays() {
        let old = create(named("a"), "n", NOON).unwrap();
        assert_eq!(update(&old, named("a")).unwrap(), old);
        assert!(update(&old, named("b")).is_err());
        let later =
            ObjectMeta { creation_timestamp: Some(Time(NOON + jiff::SignedDuration::from_secs(1))), ..named("a") };
        assert!(update(&old, later).is_err());
    }
}
