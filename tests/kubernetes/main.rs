//! The platform on a real Kubernetes.

#![cfg(test)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod chart;
mod cluster;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../../src/objects/contract.rs"]
mod contract;
mod doctor;
mod drain;
mod engine;
#[allow(dead_code, reason = "shared with other areas, and pods do not keep every promise")]
#[path = "../../src/engine/contract.rs"]
mod engine_contract;
mod faults;
#[allow(dead_code, reason = "shared with the catalog's area")]
#[path = "../catalog/git.rs"]
mod git;
mod helm;
mod images;
mod metrics;
mod nodes;
#[path = "../../src/nodes/contract.rs"]
mod nodes_contract;
mod objects;
mod platform;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/program.rs"]
mod program;
mod release;
mod resources;
mod rights;
mod roles;
#[allow(dead_code, reason = "other areas need more of it")]
#[path = "../support/server.rs"]
mod server;
mod steps;
mod support {
    pub(crate) use super::program;
}
mod wild;
