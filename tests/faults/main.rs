//! The whole server, as people run it, under blows: what was accepted stays, and what runs goes on.

#![cfg(test)]

mod creates;
mod database;
mod jobs;
mod life;
#[allow(dead_code, reason = "shared with other areas")]
#[path = "../support/postgres.rs"]
mod postgres;
mod restarts;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "the tests of sessions need more of it")]
mod server;
#[allow(dead_code, reason = "the tests of the engine need more of it")]
#[path = "../support/window.rs"]
mod window;
