//! Sessions on the whole server, as people run it: its real API, its real sandboxes.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

mod doctor;
mod nodes;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/postgres.rs"]
mod postgres;
mod quotas;
mod reach;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "the tests of faults need more of it")]
mod server;
mod settings;
mod stop;
