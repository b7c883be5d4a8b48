//! The API as its callers see it: a real server, a real database, one binary for all of it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod conventions;
mod gateway;
mod idempotency;
mod openapi;
mod sign_in;
