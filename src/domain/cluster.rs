//! Objects of a cluster that are none of the platform's own: which are shown, and which may be changed.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{is_dns_label, is_subdomain};

/// The group of sessions and templates, which have rules of their own.
const OURS: &str = "stream.streamspace.io";

/// Kinds of which everything within reach is shown.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Listed {
    /// Machines, which are in no namespace.
    Nodes,
    /// Pods.
    Pods,
    /// Deployments.
    Deployments,
    /// Services.
    Services,
    /// Those namespaces whose objects are shown.
    Namespaces,
    /// Claims of volumes, such as homes.
    PersistentVolumeClaims,
}

/// A kind of object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `ConfigMap`.
    pub kind: String,
}

impl Kind {
    /// Reads `apps/v1/Deployment` or `v1/ConfigMap`.
    ///
    /// # Errors
    /// A sentence with examples for anything else, and for kinds that are not to be changed this way.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (api_version, kind) = text.trim().rsplit_once('/').unwrap_or_default();
        let found = Self::of(api_version, kind)
            .ok_or_else(|| format!("“{text}” is no kind: write such as v1/ConfigMap or apps/v1/Deployment"))?;
        if found.group == OURS {
            return Err("sessions and templates have routes of their own, which keep their rules".to_owned());
        }
        Ok(found)
    }

    /// The kind that a manifest with these words is of.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = match api_version.rsplit_once('/') {
            Some(("", _)) => return None,
            Some(both) => both,
            None => ("", api_version),
        };
        let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fine = (group.is_empty() || is_subdomain(group)) && is_dns_label(version) && letters(kind);
        fine.then(|| Self { group: group.into(), version: version.into(), kind: kind.into() })
    }

    /// Whether its contents are told to nobody.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, version, kind } = self;
        if group.is_empty() { write!(f, "{version}/{kind}") } else { write!(f, "{group}/{version}/{kind}") }
    }
}

/// One object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// What it is.
    pub kind: Kind,
    /// Where it is; `None`: in no namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for text in ["v1/ConfigMap", "apps/v1/Deployment", "gateway.networking.k8s.io/v1beta1/HTTPRoute"] {
            assert_eq!(Kind::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "ConfigMap", "v1/", "/v1/Pod", "a/b/c/D", "v1/Pod.x", "V1/Pod", "v1/../x"] {
            assert!(Kind::parse(text).unwrap_err().contains("apps/v1/Deployment"), "{text}");
        }
        assert!(Kind::parse("stream.streamspace.io/v1alpha1/Session").unwrap_err().contains("of their own"));
    }

    #[test]
    fn a_secret_is_known_by_its_kind_alone() {
        assert!(Kind::parse("v1/Secret").unwrap().is_secret());
        assert!(!Kind::parse("example.org/v1/Secret").unwrap().is_secret());
    }
}
