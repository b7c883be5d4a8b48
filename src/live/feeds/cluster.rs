//! The nodes and what of them is used.
//!
//! Figures, so that nothing of it is kept: whoever misses one gets the next, and `GET /api/admin/nodes` has the latest.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::nodes::{Node, NodeStats},
    live::outbox::{Key, Verb},
};

/// By which the sums supersede each other.
const SUMS: Key = Key { subject: u64::MAX, verb: Verb::Figure };

/// A message: by what a newer one supersedes it, its type, and its fields without braces.
pub type Message = (Key, &'static str, String);

/// How the nodes are.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Each as JSON, by name.
    nodes: BTreeMap<String, String>,
    /// Numbers by which messages about a node supersede each other; far from those of the feeds.
    numbers: HashMap<String, u64>,
    /// How many were given.
    given: u64,
    /// The sums as JSON.
    sums: String,
}

impl Cluster {
    /// Takes in how the nodes are now; returns what there is to tell.
    pub fn take_in(&mut self, nodes: &[Node], stats: &NodeStats, now: Timestamp) -> Vec<Message> {
        let mut there = BTreeMap::new();
        let mut messages = Vec::new();
        for node in nodes {
            let json = json(node);
            if self.nodes.get(&node.name) != Some(&json) {
                let key = Key { subject: self.number(&node.name), verb: Verb::Updated };
                messages.push((key, "node.updated", format!("\"time\":\"{now}\",\"node\":{json}")));
            }
            there.insert(node.name.clone(), json);
        }
        let before = std::mem::replace(&mut self.nodes, there);
        for name in before.into_keys().filter(|name| !self.nodes.contains_key(name)).collect::<Vec<_>>() {
            let key = Key { subject: self.number(&name), verb: Verb::Deleted };
            // A node of that name that comes again is another.
            self.numbers.remove(&name);
            let node = serde_json::json!({ "name": name });
            messages.push((key, "node.deleted", format!("\"time\":\"{now}\",\"node\":{node}")));
        }
        self.sums = json(stats);
        messages.push((SUMS, "cluster.metrics", format!("\"time\":\"{now}\",\"metrics\":{}", self.sums)));
        messages
    }

    /// The fields of a snapshot after its type and topic, without braces.
    pub fn snapshot(&self) -> String {
        let nodes: Vec<&str> = self.nodes.values().map(String::as_str).collect();
        let sums = if self.sums.is_empty() { "null" } else { &self.sums };
        format!("\"items\":[{}],\"metrics\":{sums}", nodes.join(","))
    }

    fn number(&mut self, name: &str) -> u64 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.given += 1;
        let number = SUMS.subject - self.given;
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_900_000_000, 0);

    fn node(name: &str, sessions: u32) -> Node {
        Node {
            name: name.into(),
            resource_version: "1".into(),
            ready: true,
            schedulable: true,
            sessions,
            ..Node::default()
        }
    }

    #[test]
    fn what_is_otherwise_is_told_once_and_the_sums_each_time() {
        let mut cluster = Cluster::default();
        let mut told = |nodes: &[Node]| {
            let messages = cluster.take_in(nodes, &NodeStats::of(nodes), NOON);
            let keys: BTreeSet<u64> = messages.iter().map(|(key, _, _)| key.subject).collect();
            assert_eq!(keys.len(), messages.len(), "each is about something of its own");
            messages.iter().map(|(_, type_, _)| *type_).collect::<Vec<_>>()
        };
        assert_eq!(told(&[node("a", 0), node("b", 0)]), ["node.updated", "node.updated", "cluster.metrics"]);
        assert_eq!(told(&[node("a", 0), node("b", 1)]), ["node.updated", "cluster.metrics"]);
        assert_eq!(told(&[node("a", 0)]), ["node.deleted", "cluster.metrics"]);
        assert_eq!(told(&[node("a", 0)]), ["cluster.metrics"]);
    }

    #[test]
    fn who_begins_to_read_is_told_how_it_is_now() {
        let mut cluster = Cluster::default();
        assert_eq!(cluster.snapshot(), "\"items\":[],\"metrics\":null");
        cluster.take_in(&[node("a", 2)], &NodeStats::of(&[node("a", 2)]), NOON);
        let now: serde_json::Value = serde_json::from_str(&format!("{{{}}}", cluster.snapshot())).unwrap();
        assert_eq!((&now["items"][0]["sessions"], &now["metrics"]["sessions"]), (&2.into(), &2.into()));
    }
}
