//! The store of objects against a real PostgreSQL.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared with other areas")]
mod postgres;

mod adapter;
