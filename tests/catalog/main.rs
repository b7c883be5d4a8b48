//! The template catalog: real git repositories over real HTTP, by `git http-backend`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/server.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "other areas need more of it; a failed test shows the log")]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod browse;
mod builtin;
mod git;
mod grants;
mod hostile;
mod kill;
mod ssh;
mod syncs;
mod validate;
mod webhooks;
mod world;
