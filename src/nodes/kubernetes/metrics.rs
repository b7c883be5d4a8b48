//! What the nodes use, from the cluster's metrics server where there is one.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use kube::Client;
use serde::Deserialize;
use tokio::time::timeout;

use crate::domain::{nodes::Amounts, quantity};

/// The metrics server measures about this often.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(15);
/// Longest time for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Where it answers.
const PATH: &str = "/apis/metrics.k8s.io/v1beta1/nodes";

/// The latest figures, by node; empty where nothing measures.
#[derive(Debug, Default)]
pub(super) struct Metrics(RwLock<HashMap<String, Amounts>>);

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Named,
    usage: Usage,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Usage {
    cpu: String,
    memory: String,
}

impl List {
    fn by_node(self) -> HashMap<String, Amounts> {
        let amounts = |Usage { cpu, memory }: Usage| Amounts {
            cpu_millis: quantity::millis(&cpu),
            memory_bytes: quantity::whole(&memory),
            ..Amounts::default()
        };
        self.items.into_iter().map(|item| (item.metadata.name, amounts(item.usage))).collect()
    }
}

impl Metrics {
    /// What that node uses.
    pub(super) fn of(&self, node: &str) -> Option<Amounts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }

    /// Asks once. Figures that cannot be had are absent from then on, not old.
    pub(super) async fn ask(&self, client: &Client) -> bool {
        let found = request(client).await;
        let known = found.is_some();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = found.map(List::by_node).unwrap_or_default();
        known
    }
}

async fn request(client: &Client) -> Option<List> {
    let request = http::Request::get(PATH).body(Vec::new()).ok()?;
    timeout(ANSWER_WITHIN, client.request(request)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_metrics_server_answers_is_read_in_its_own_units() {
        let list: List = serde_json::from_value(json!({
            "kind": "NodeMetricsList",
            "items": [
                { "metadata": { "name": "a" }, "usage": { "cpu": "156340210n", "memory": "512Mi" }, "window": "20s" },
                { "metadata": { "name": "b" }, "usage": { "cpu": "2", "memory": "?" } },
            ],
        }))
        .unwrap();
        let by_node = list.by_node();
        assert_eq!((by_node["a"].cpu_millis, by_node["a"].memory_bytes), (Some(157), Some(512 << 20)));
        assert_eq!((by_node["b"].cpu_millis, by_node["b"].memory_bytes), (Some(2000), None));
    }
}
