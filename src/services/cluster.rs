//! Objects of the cluster that are none of the platform's own.

use std::sync::Arc;

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::audit::{self, Entry, Outcome};
pub use crate::objects::{Manner, Written};
use crate::{
    App, Error,
    auth::Caller,
    domain::{
        cluster::{Kind, Listed, Target},
        fields::FieldError,
    },
    objects::{ResourceError, Resources, redact},
};

/// A change of an object.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A whole manifest, applied as the server side does it.
    Apply(&'a Value, Manner),
    /// A merge patch of what is there; with whether it is only judged.
    Patch(&'a Value, bool),
    /// The end of what is there; with whether it is only judged.
    Delete(bool),
}

impl Change<'_> {
    const fn action(self) -> &'static str {
        match self {
            Self::Apply(..) => "resource.apply",
            Self::Patch(..) => "resource.patch",
            Self::Delete(_) => "resource.delete",
        }
    }

    const fn dry_run(self) -> bool {
        match self {
            Self::Apply(_, Manner { dry_run, .. }) | Self::Patch(_, dry_run) | Self::Delete(dry_run) => dry_run,
        }
    }

    /// What was asked for, as the audit keeps it.
    fn asked(self, kind: &Kind) -> Value {
        let mut asked = match self {
            Self::Apply(object, _) | Self::Patch(object, _) => object.clone(),
            Self::Delete(_) => json!({}),
        };
        if kind.is_secret() {
            redact(&mut asked);
        }
        asked
    }
}

fn resources(app: &App) -> Result<&Resources, Error> {
    app.resources.as_ref().ok_or(Error::NoCluster)
}

/// All objects of a kind that are shown, or those in one namespace, by namespace and name.
///
/// # Errors
/// [`Error::NoCluster`] on one machine.
pub async fn list(app: &App, kind: Listed, namespace: Option<&str>) -> Result<Vec<Arc<DynamicObject>>, Error> {
    Ok(resources(app)?.list(kind, namespace).await?)
}

/// The object that a manifest is about.
///
/// # Errors
/// [`Error::Invalid`] naming each field that it lacks.
pub fn target_of(manifest: &Value) -> Result<Target, Error> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = text(&manifest["apiVersion"]).zip(text(&manifest["kind"]));
    let kind = kind.and_then(|(api_version, kind)| Kind::of(&api_version, &kind));
    let (name, namespace) = (text(&manifest["metadata"]["name"]), text(&manifest["metadata"]["namespace"]));
    match (kind, name) {
        (Some(kind), Some(name)) => Ok(Target { kind, namespace, name }),
        (kind, name) => {
            let wrong = [
                (kind.is_none(), "kind", "a manifest has an apiVersion and a kind, such as apps/v1 and Deployment"),
                (name.is_none(), "metadata.name", "is needed: what is applied has a name"),
            ];
            let wrong = wrong.into_iter().filter(|(missing, ..)| *missing);
            Err(Error::Invalid(wrong.map(|(_, field, message)| FieldError::new(field, message)).collect()))
        }
    }
}

/// Makes a change, and answers what was there before and what is there now. What was made, and what was refused, is
/// written down; what was only judged is not.
///
/// `expected`: the `resourceVersion` that a patch or a deletion insists on.
///
/// # Errors
/// [`Error::NoCluster`], and what the cluster answers.
pub async fn change(
    app: &App,
    caller: &Caller,
    target: &Target,
    change: Change<'_>,
    expected: Option<&str>,
) -> Result<Written, Error> {
    let resources = resources(app)?;
    let done = match change {
        Change::Apply(manifest, manner) => resources.apply(target, manifest, manner).await,
        Change::Patch(patch, dry_run) => resources.patch(target, patch, expected, dry_run).await,
        Change::Delete(dry_run) => resources.delete(target, expected, dry_run).await,
    };
    if !change.dry_run() {
        record(app, caller, target, change, &done).await?;
    }
    Ok(done?)
}

async fn record(
    app: &App,
    caller: &Caller,
    target: &Target,
    change: Change<'_>,
    done: &Result<Written, ResourceError>,
) -> Result<(), Error> {
    let entry = Entry::new(change.action(), target.to_string());
    let entry = match done {
        Ok(Written { before, after }) => {
            let entry = before.iter().fold(entry, Entry::before);
            after.iter().fold(entry, Entry::after)
        }
        Err(error) => {
            let result = if is_refusal(error) { Outcome::Refused } else { Outcome::Failed };
            let asked = json!({ "asked": change.asked(&target.kind), "reason": error.to_string() });
            let before = match &app.resources {
                Some(resources) => resources.peek(target).await,
                None => None,
            };
            before.iter().fold(Entry { result, ..entry }.after(&asked), Entry::before)
        }
    };
    audit::record(&app.pool.get().await?, caller, entry).await
}

const fn is_refusal(error: &ResourceError) -> bool {
    match error {
        ResourceError::NotFound(_)
        | ResourceError::Stale(_)
        | ResourceError::Invalid(_)
        | ResourceError::NotAllowed(_)
        | ResourceError::Conflict(_) => true,
        ResourceError::Unavailable(_) => false,
    }
}
