//! The store of objects against a real PostgreSQL.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../../src/objects/contract.rs"]
mod contract;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/postgres.rs"]
mod postgres;

mod adapter;
mod memory;
mod promises;
