//! Whose machine a node is, where it stands, what it is for and which GPUs it has, from what it says of itself.

use std::collections::BTreeMap;

use super::Gpu;

type Labels = BTreeMap<String, String>;

/// The beginning of a `providerID` up to `://`, and the provider's common name.
const BY_ID: &[(&str, &str)] = &[
    ("aws", "aws"),
    ("gce", "gcp"),
    ("azure", "azure"),
    ("digitalocean", "digitalocean"),
    ("hcloud", "hetzner"),
    ("hrobot", "hetzner"),
    ("ibm", "ibm"),
    ("ibmcloud", "ibm"),
    ("ibmpowervs", "ibm"),
    ("oci", "oracle"),
    ("openstack", "openstack"),
    ("vsphere", "vsphere"),
    ("linode", "linode"),
    ("vultr", "vultr"),
    ("scaleway", "scaleway"),
    ("exoscale", "exoscale"),
    ("ovh", "ovh"),
    ("equinixmetal", "equinix"),
    ("alicloud", "alibaba"),
    ("qcloud", "tencent"),
    ("huaweicloud", "huawei"),
    ("nutanix", "nutanix"),
    ("metal3", "metal3"),
    ("baremetalhost", "metal3"),
    ("kind", "kind"),
    ("k3s", "k3s"),
    ("k3d", "k3d"),
];

/// Prefixes of labels that a provider's managed clusters set, for nodes without a `providerID`.
const BY_LABEL: &[(&str, &str)] = &[
    ("eks.amazonaws.com/", "aws"),
    ("k8s.amazonaws.com/", "aws"),
    ("karpenter.k8s.aws/", "aws"),
    ("cloud.google.com/", "gcp"),
    ("kubernetes.azure.com/", "azure"),
    ("doks.digitalocean.com/", "digitalocean"),
    ("ibm-cloud.kubernetes.io/", "ibm"),
    ("oci.oraclecloud.com/", "oracle"),
    ("hcloud/", "hetzner"),
    ("lke.linode.com/", "linode"),
    ("minikube.k8s.io/", "minikube"),
];

/// Whose machine it is, such as `aws`: by its `providerID`, else by its labels. A `providerID` of a scheme that is not
/// known here names its provider by that scheme.
#[must_use]
pub fn provider(provider_id: Option<&str>, labels: &Labels) -> Option<String> {
    if let Some((scheme, _)) = provider_id.and_then(|id| id.split_once("://")).filter(|(scheme, _)| !scheme.is_empty())
    {
        let known = BY_ID.iter().find(|(known, _)| *known == scheme).map(|(_, name)| *name);
        return Some(known.unwrap_or(scheme).to_owned());
    }
    let by_label = |(prefix, _): &&(&str, &str)| labels.keys().any(|key| key.starts_with(prefix));
    BY_LABEL.iter().find(by_label).map(|(_, name)| (*name).to_owned())
}

fn first(labels: &Labels, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| labels.get(*key)).filter(|value| !value.is_empty()).cloned()
}

/// The region, by the standard labels, the older ones last.
#[must_use]
pub fn region(labels: &Labels) -> Option<String> {
    first(labels, &["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"])
}

/// The zone: by the standard labels, else out of the `providerID` of providers that write it there.
#[must_use]
pub fn zone(provider_id: Option<&str>, labels: &Labels) -> Option<String> {
    let by_label = first(labels, &["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]);
    by_label.or_else(|| {
        let (scheme, rest) = provider_id?.split_once("://")?;
        let part = match scheme {
            // aws:///eu-central-1a/i-0123
            "aws" => rest.trim_start_matches('/').split('/').next(),
            // gce://project/europe-west1-b/name
            "gce" => rest.split('/').nth(1),
            _ => None,
        };
        part.filter(|zone| !zone.is_empty()).map(str::to_owned)
    })
}

/// What the node is for, by the labels `node-role.kubernetes.io/…` and the older `kubernetes.io/role`, sorted.
#[must_use]
pub fn roles(labels: &Labels) -> Vec<String> {
    let named = labels.keys().filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"));
    let mut roles: Vec<String> = named.filter(|role| !role.is_empty()).map(str::to_owned).collect();
    roles.extend(first(labels, &["kubernetes.io/role"]));
    roles.sort();
    roles.dedup();
    roles
}

/// A resource that counts GPUs: the vendor, the beginning of its name, and labels that may tell the model.
const GPUS: &[(&str, &str, &[&str])] = &[
    (
        "nvidia",
        "nvidia.com/",
        &[
            "nvidia.com/gpu.product",
            "cloud.google.com/gke-accelerator",
            "k8s.amazonaws.com/accelerator",
            "karpenter.k8s.aws/instance-gpu-name",
        ],
    ),
    ("amd", "amd.com/", &["amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"]),
    ("intel", "gpu.intel.com/", &["gpu.intel.com/product"]),
];

/// Names of resources below a vendor's prefix that count GPUs: whole ones, and parts of one (MIG).
fn counts_gpus(vendor: &str, name: &str) -> bool {
    match vendor {
        "nvidia" => name == "gpu" || name == "gpu.shared" || name.starts_with("mig-"),
        "amd" => name == "gpu",
        _ => matches!(name, "i915" | "xe"),
    }
}

/// The GPUs, by the resources that a node offers (`nvidia.com/gpu: 2`) and its vendor's labels. `None`: it has none.
#[must_use]
pub fn gpu<'a>(resources: impl IntoIterator<Item = (&'a str, u64)> + Clone, labels: &Labels) -> Option<Gpu> {
    GPUS.iter().find_map(|(vendor, prefix, models)| {
        let named = resources.clone().into_iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?, count)));
        let count = named.filter(|(name, _)| counts_gpus(vendor, name)).map(|(_, count)| count).sum();
        (count > 0).then(|| Gpu { vendor: (*vendor).to_owned(), model: first(labels, models), count })
    })
}

/// Whether the resource of that name counts GPUs of any vendor.
#[must_use]
pub fn is_gpu(resource: &str) -> bool {
    GPUS.iter().any(|(vendor, prefix, _)| resource.strip_prefix(prefix).is_some_and(|name| counts_gpus(vendor, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_provider_is_told_by_the_provider_id_and_else_by_the_labels() {
        for (id, expected) in [
            ("aws:///eu-central-1a/i-0123456789", "aws"),
            ("gce://project/europe-west1-b/gke-node", "gcp"),
            ("azure:///subscriptions/1/resourceGroups/g/providers/x", "azure"),
            ("digitalocean://123", "digitalocean"),
            ("hcloud://123", "hetzner"),
            ("ibm://account///cluster/node", "ibm"),
            ("openstack:///uuid", "openstack"),
            ("kind://docker/kind/kind-control-plane", "kind"),
            ("ownmetal://rack-1", "ownmetal"),
        ] {
            assert_eq!(provider(Some(id), &Labels::new()).as_deref(), Some(expected), "{id}");
        }
        for (label, expected) in [
            ("eks.amazonaws.com/nodegroup", "aws"),
            ("cloud.google.com/gke-nodepool", "gcp"),
            ("kubernetes.azure.com/agentpool", "azure"),
            ("minikube.k8s.io/name", "minikube"),
        ] {
            assert_eq!(provider(None, &labels(&[(label, "x")])).as_deref(), Some(expected), "{label}");
        }
        assert_eq!(provider(Some("aws:///a/i"), &labels(&[("cloud.google.com/gke-nodepool", "x")])).unwrap(), "aws");
        for nothing in [None, Some(""), Some("i-0123"), Some("://x")] {
            assert_eq!(provider(nothing, &labels(&[("team", "a")])), None, "{nothing:?}");
        }
    }

    #[test]
    fn region_and_zone_come_from_the_standard_labels_and_the_zone_else_from_the_provider_id() {
        let new = labels(&[("topology.kubernetes.io/region", "r"), ("topology.kubernetes.io/zone", "z")]);
        assert_eq!((region(&new).as_deref(), zone(None, &new).as_deref()), (Some("r"), Some("z")));
        let old = labels(&[
            ("failure-domain.beta.kubernetes.io/region", "r"),
            ("failure-domain.beta.kubernetes.io/zone", "z"),
        ]);
        assert_eq!((region(&old).as_deref(), zone(None, &old).as_deref()), (Some("r"), Some("z")));
        for (id, expected) in [
            ("aws:///eu-central-1a/i-0123", Some("eu-central-1a")),
            ("gce://project/europe-west1-b/node", Some("europe-west1-b")),
            ("azure:///subscriptions/1", None),
            ("aws://", None),
        ] {
            assert_eq!(zone(Some(id), &Labels::new()).as_deref(), expected, "{id}");
        }
        assert_eq!(zone(Some("aws:///other/i"), &new).as_deref(), Some("z"));
        assert_eq!(region(&Labels::new()), None);
    }

    #[test]
    fn roles_are_read_from_both_generations_of_labels() {
        let both = labels(&[
            ("node-role.kubernetes.io/control-plane", ""),
            ("node-role.kubernetes.io/", ""),
            ("kubernetes.io/role", "ingress"),
        ]);
        assert_eq!(roles(&both), ["control-plane", "ingress"]);
        assert_eq!(roles(&Labels::new()), Vec::<String>::new());
    }

    #[test]
    fn gpus_are_counted_by_resource_and_named_by_the_vendors_labels() {
        let found = |resources: &[(&str, u64)], pairs: &[(&str, &str)]| {
            let gpu = gpu(resources.iter().copied(), &labels(pairs))?;
            Some(format!("{} {} × {}", gpu.vendor, gpu.count, gpu.model.as_deref().unwrap_or("?")))
        };
        let says = |resources: &[(&str, u64)], pairs: &[(&str, &str)], expected: &str| {
            assert_eq!(found(resources, pairs).as_deref(), Some(expected), "{resources:?}");
        };
        says(&[("nvidia.com/gpu", 8)], &[("nvidia.com/gpu.product", "NVIDIA-A100")], "nvidia 8 × NVIDIA-A100");
        says(&[("nvidia.com/gpu", 1)], &[("cloud.google.com/gke-accelerator", "nvidia-l4")], "nvidia 1 × nvidia-l4");
        says(&[("nvidia.com/mig-1g.5gb", 3), ("nvidia.com/mig-2g.10gb", 2)], &[], "nvidia 5 × ?");
        says(&[("amd.com/gpu", 2)], &[("amd.com/gpu.product-name", "MI300X")], "amd 2 × MI300X");
        says(&[("gpu.intel.com/i915", 1)], &[], "intel 1 × ?");
        assert_eq!(found(&[("cpu", 4), ("nvidia.com/gpu", 0), ("amd.com/cpu", 3)], &[]), None);
        assert!(is_gpu("nvidia.com/gpu") && !is_gpu("memory") && !is_gpu("nvidia.com/fabric"));
    }
}
