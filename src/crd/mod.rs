//! The custom resources: structs with their schemas, nothing that acts.
//!
//! Group `stream.streamspace.io`, version `v1alpha1`. `streamspace crds` prints what is derived here.

mod session;
mod template;

pub use session::*;
pub use template::*;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// API group of every custom resource.
pub const GROUP: &str = "stream.streamspace.io";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Pattern of a Kubernetes quantity that is not negative (`500m`, `2`, `1.5`, `4Gi`).
pub const QUANTITY: &str = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";
/// Pattern of a Kubernetes duration without sign (`0s`, `90s`, `30m`, `1h30m`).
pub const DURATION: &str = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
/// Pattern of a DNS label of at most 63 characters.
pub const DNS_LABEL: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/// Every definition that the platform installs, in the order in which it installs them.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![Session::crd(), Template::crd()]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Every list of words in a schema.
    fn enums(schema: &Value) -> Vec<&Vec<Value>> {
        match schema {
            Value::Object(fields) => {
                let own = fields.get("enum").and_then(Value::as_array);
                own.into_iter().chain(fields.values().flat_map(enums)).collect()
            }
            Value::Array(items) => items.iter().flat_map(enums).collect(),
            _ => vec![],
        }
    }

    #[test]
    fn no_enum_has_a_null_which_kubectl_would_not_send() {
        let definitions = serde_json::to_value(definitions()).unwrap();
        let enums = enums(&definitions);
        assert!(enums.iter().any(|words| words.contains(&"askAdmin".into())), "{enums:?}");
        for words in enums {
            assert!(!words.contains(&Value::Null), "{words:?}");
        }
    }
}
