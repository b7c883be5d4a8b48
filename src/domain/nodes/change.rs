//! What somebody may change about a node, and what is not theirs to change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Effect, Taint};
use crate::domain::{fields::FieldError, names};

/// What people set on a node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned: nothing new starts there.
    pub unschedulable: bool,
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Sets a label, whatever it was before.
    Label {
        /// Its key.
        key: String,
        /// Its value; may be empty.
        value: String,
    },
    /// Takes a label away.
    Unlabel {
        /// Its key.
        key: String,
    },
    /// Sets a taint; one of the same key and effect changes its value.
    Taint(Taint),
    /// Takes taints away.
    Untaint {
        /// Their key.
        key: String,
        /// Those of this effect; `None`: of any.
        effect: Option<Effect>,
    },
    /// Keeps new sessions away, or lets them come again.
    Cordon(bool),
}

/// Domains under which Kubernetes and the platform keep what they themselves rely on.
const PROTECTED: [&str; 3] = ["kubernetes.io", "k8s.io", "streamspace.io"];

/// Whether a label or taint of that key belongs to Kubernetes or to the platform.
#[must_use]
pub fn is_protected(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        let prefix = prefix.to_ascii_lowercase();
        PROTECTED
            .iter()
            .any(|domain| prefix.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')))
    })
}

impl Settings {
    /// What they are after `change`; `None`: as they are, since it is so already.
    ///
    /// # Errors
    /// [`FieldError`] naming the field where key or value cannot be one, or the key is [protected](is_protected).
    pub fn after(&self, change: &Change) -> Result<Option<Self>, FieldError> {
        let mut after = self.clone();
        match change {
            Change::Label { key, value } => {
                check_key(key)?;
                check_value(value)?;
                after.labels.insert(key.clone(), value.clone());
            }
            Change::Unlabel { key } => {
                check_key(key)?;
                after.labels.remove(key);
            }
            Change::Taint(taint) => {
                check_key(&taint.key)?;
                check_value(&taint.value)?;
                let same = |there: &&mut Taint| there.key == taint.key && there.effect == taint.effect;
                match after.taints.iter_mut().find(same) {
                    Some(there) => there.value.clone_from(&taint.value),
                    None => after.taints.push(taint.clone()),
                }
            }
            Change::Untaint { key, effect } => {
                check_key(key)?;
                after.taints.retain(|there| there.key != *key || effect.is_some_and(|effect| there.effect != effect));
            }
            Change::Cordon(cordon) => after.unschedulable = *cordon,
        }
        Ok((after != *self).then_some(after))
    }
}

fn check_key(key: &str) -> Result<(), FieldError> {
    if !names::is_qualified(key) {
        let rule = "is no key: write name or example.org/name, each part with letters, digits, hyphens, dots and \
                    underscores, the name at most 63 of them";
        return Err(FieldError::new("key", format!("“{key}” {rule}")));
    }
    if is_protected(key) {
        let rule = "belongs to Kubernetes or to the platform, which rely on it: use a prefix of your own";
        return Err(FieldError::new("key", format!("“{key}” {rule}")));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), FieldError> {
    if value.is_empty() || names::is_word(value) {
        return Ok(());
    }
    let rule =
        "must be empty or at most 63 letters, digits, hyphens, dots and underscores, a letter or digit at both ends";
    Err(FieldError::new("value", rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str, effect: Effect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    fn label(key: &str, value: &str) -> Change {
        Change::Label { key: key.into(), value: value.into() }
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let begin = Settings::default();
        let labelled = begin.after(&label("team", "a")).unwrap().unwrap();
        assert_eq!(labelled.after(&label("team", "a")), Ok(None));
        assert!(labelled.after(&label("team", "b")).unwrap().is_some());
        let bare = labelled.after(&Change::Unlabel { key: "team".into() }).unwrap().unwrap();
        assert_eq!(bare, begin);
        assert_eq!(bare.after(&Change::Unlabel { key: "team".into() }), Ok(None));
        let cordoned = begin.after(&Change::Cordon(true)).unwrap().unwrap();
        assert_eq!(cordoned.after(&Change::Cordon(true)), Ok(None));
        assert_eq!(cordoned.after(&Change::Cordon(false)), Ok(Some(begin)));
    }

    #[test]
    fn a_taint_is_known_by_key_and_effect_and_goes_with_its_key_unless_an_effect_is_named() {
        let set = |settings: &Settings, taint: Taint| settings.after(&Change::Taint(taint)).unwrap().unwrap();
        let one = set(&Settings::default(), taint("team", "a", Effect::NoSchedule));
        let other_value = set(&one, taint("team", "b", Effect::NoSchedule));
        assert_eq!(other_value.taints, [taint("team", "b", Effect::NoSchedule)]);
        let two = set(&one, taint("team", "a", Effect::NoExecute));
        assert_eq!(two.taints.len(), 2);
        let without = |effect| two.after(&Change::Untaint { key: "team".into(), effect }).unwrap().unwrap().taints;
        assert_eq!(without(Some(Effect::NoExecute)), [taint("team", "a", Effect::NoSchedule)]);
        assert_eq!(without(None), []);
        assert_eq!(two.after(&Change::Untaint { key: "other".into(), effect: None }), Ok(None));
    }

    #[test]
    fn what_kubernetes_and_the_platform_rely_on_is_left_alone() {
        let theirs = [
            "kubernetes.io/hostname",
            "node-role.kubernetes.io/control-plane",
            "node.kubernetes.io/unschedulable",
            "topology.kubernetes.io/zone",
            "beta.kubernetes.io/arch",
            "k8s.io/x",
            "node.k8s.io/x",
            "stream.streamspace.io/session",
        ];
        for key in theirs {
            let named = |change: &Change| Settings::default().after(change).unwrap_err().field;
            assert_eq!(named(&label(key, "x")), "key", "{key}");
            assert_eq!(named(&Change::Unlabel { key: key.into() }), "key", "{key}");
            assert_eq!(named(&Change::Taint(taint(key, "", Effect::NoSchedule))), "key", "{key}");
            assert_eq!(named(&Change::Untaint { key: key.into(), effect: None }), "key", "{key}");
        }
        for own in ["team", "example.org/kubernetes.io", "notkubernetes.io/x", "kubernetes.io.example.org/x"] {
            assert!(Settings::default().after(&label(own, "x")).is_ok(), "{own}");
        }
    }

    #[test]
    fn keys_and_values_have_kubernetes_own_form() {
        let long = "x".repeat(64);
        for key in ["", "-a", "a b", "/a", "a/", "a/b/c", "Example.org/a", &long] {
            assert_eq!(Settings::default().after(&label(key, "")).unwrap_err().field, "key", "{key}");
        }
        for value in ["-a", "a b", "ä", &long] {
            assert_eq!(Settings::default().after(&label("a", value)).unwrap_err().field, "value", "{value}");
        }
    }
}
