//! The database itself: the private PostgreSQL, the leadership, connections.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/postgres.rs"]
mod postgres;

mod away;
mod external;
mod leadership;
mod migrations;
mod nodes;
#[path = "../../src/nodes/contract.rs"]
mod nodes_contract;
mod private;
