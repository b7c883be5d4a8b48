//! The whole server, as people run it, under blows: what was accepted stays, and what runs goes on.

#![cfg(test)]

mod creates;
mod life;
mod restarts;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "the tests of sessions need more of it")]
mod server;
