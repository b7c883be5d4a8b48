//! What a drain asks of the API server itself: the pods on a node, the budgets that guard them, and their end.

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, EvictParams, ListParams, PostParams, Preconditions},
    core::{Selector, SelectorExt},
};
use tokio::time::timeout;

use super::{CALL_WITHIN, Inner, read};
use crate::{
    domain::{
        keys,
        nodes::pods::{Budget, PodHere},
    },
    nodes::{Eviction, NodesError},
};

/// The annotation of a pod that a node runs by itself and only shows to the API server.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The API server's word for a budget that has no room at the moment.
const TOO_MANY: u16 = 429;

impl Inner {
    /// The pods that are on that node in truth, with the budgets that guard them.
    pub(super) async fn bound(&self, node: &str) -> Result<Vec<PodHere>, NodesError> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let budgets: Api<PodDisruptionBudget> = Api::all(self.client.clone());
        let (here, everything) =
            (ListParams::default().fields(&format!("spec.nodeName={node}")), ListParams::default());
        let (pods, budgets) =
            tokio::try_join!(self.call(node, pods.list(&here)), self.call(node, budgets.list(&everything)))?;
        let mut bound: Vec<PodHere> =
            pods.items.iter().map(|pod| read_pod(pod, &budgets.items, &self.namespace)).collect();
        bound.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        Ok(bound)
    }

    /// Asks for the end of exactly this pod.
    pub(super) async fn evict(&self, pod: &PodHere, grace_seconds: Option<u32>) -> Result<Eviction, NodesError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let params = EvictParams {
            delete_options: Some(DeleteParams {
                grace_period_seconds: grace_seconds,
                preconditions: Some(Preconditions { uid: Some(pod.uid.clone()), resource_version: None }),
                ..DeleteParams::default()
            }),
            post_options: PostParams::default(),
        };
        match timeout(CALL_WITHIN, pods.evict(&pod.name, &params)).await {
            Ok(Ok(_)) => Ok(Eviction::Ends),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(Eviction::Gone),
            Ok(Err(kube::Error::Api(status))) if status.code == TOO_MANY => Ok(Eviction::NotNow(explain(&status))),
            Ok(Err(error)) => Err(super::refused(&pod.name, error)),
            Err(_) => Err(NodesError::Unavailable("the API server has not answered in time".into())),
        }
    }
}

/// The refusal with its causes, which name the budget.
fn explain(status: &kube::core::Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.message.as_str());
    [status.message.as_str()].into_iter().chain(causes).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What decides about the eviction of a pod. Of the labels `sessions` is the namespace in which they mean a session.
fn read_pod(pod: &Pod, budgets: &[PodDisruptionBudget], sessions: &str) -> PodHere {
    let namespace = pod.namespace().unwrap_or_default();
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    PodHere {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        controlled_by: read::keeper(pod),
        mirror: pod.annotations().contains_key(MIRROR),
        ended: !read::is_active(pod),
        leaving: pod.metadata.deletion_timestamp.is_some(),
        scratch: volumes.iter().any(|volume| volume.empty_dir.is_some()),
        session: pod.labels().get(keys::SESSION_LABEL).filter(|_| namespace == sessions).cloned(),
        budgets: budgets.iter().filter(|budget| guards(budget, pod)).map(read_budget).collect(),
        namespace,
    }
}

fn guards(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selector: Option<LabelSelector> = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
    budget.namespace() == pod.namespace()
        && selector
            .and_then(|selector| Selector::try_from(selector).ok())
            .is_some_and(|selector| selector.matches(pod.labels()))
}

fn read_budget(budget: &PodDisruptionBudget) -> Budget {
    let status = budget.status.as_ref();
    let current = status.is_some_and(|status| status.observed_generation == budget.metadata.generation);
    Budget {
        name: budget.name_any(),
        // One that its controller has not counted yet allows nothing, as the API server has it.
        has_room: current && status.is_some_and(|status| status.disruptions_allowed > 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod_of(more: Value) -> Pod {
        let mut pod = json!({
            "metadata": { "name": "p", "namespace": "here", "uid": "u", "labels": { "app": "x", keys::SESSION_LABEL: "p" } },
            "spec": { "containers": [], "volumes": [{ "name": "v", "emptyDir": {} }] },
        });
        crate::domain::merge::patch(&mut pod, &more);
        serde_json::from_value(pod).unwrap()
    }

    fn budget(name: &str, selector: Value, allowed: i32, observed: i64) -> PodDisruptionBudget {
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "here", "generation": 2 },
            "spec": { "selector": selector },
            "status": {
                "disruptionsAllowed": allowed, "observedGeneration": observed,
                "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_budget_guards_the_pods_that_it_selects_and_has_room_once_it_was_counted() {
        let by_app = json!({ "matchLabels": { "app": "x" } });
        let budgets = [
            budget("room", by_app.clone(), 1, 2),
            budget("full", json!({}), 0, 2),
            budget("uncounted", by_app, 1, 1),
            budget("other", json!({ "matchLabels": { "app": "y" } }), 1, 2),
            budget("none", Value::Null, 1, 2),
        ];
        let seen = read_pod(&pod_of(json!({})), &budgets, "here").budgets;
        let told: Vec<_> = seen.iter().map(|budget| (budget.name.as_str(), budget.has_room)).collect();
        assert_eq!(told, [("room", true), ("full", false), ("uncounted", false)]);
        let elsewhere = pod_of(json!({ "metadata": { "namespace": "there" } }));
        assert_eq!(read_pod(&elsewhere, &budgets, "here").budgets, []);
    }

    #[test]
    fn what_decides_about_a_pod_is_read_from_it() {
        let seen = read_pod(&pod_of(json!({})), &[], "here");
        assert!(seen.scratch && !seen.mirror && !seen.ended && !seen.leaving);
        assert_eq!((seen.session.as_deref(), seen.controlled_by.as_deref()), (Some("p"), None));
        assert_eq!(read_pod(&pod_of(json!({})), &[], "elsewhere").session, None);
        let other = pod_of(json!({
            "metadata": { "annotations": { MIRROR: "x" }, "deletionTimestamp": "2030-01-01T12:00:00Z" },
            "spec": { "volumes": null }, "status": { "phase": "Succeeded" },
        }));
        let seen = read_pod(&other, &[], "here");
        assert!(!seen.scratch && seen.mirror && seen.ended && seen.leaving);
    }
}
