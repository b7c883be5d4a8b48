//! The template catalog: real git repositories over real HTTP, by `git http-backend`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod browse;
mod git;
mod hostile;
mod syncs;
mod webhooks;
mod world;
