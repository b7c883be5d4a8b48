//! The engine for long work, against a real PostgreSQL with a database of its own for each test.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod feed;
mod locks;
mod runs;
mod world;
