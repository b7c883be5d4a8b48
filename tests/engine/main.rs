//! The local engine against real sandboxes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

mod adoption;
mod doctor;
#[path = "../../src/engine/contract.rs"]
mod engine_contract;
mod isolation;
mod life;
mod network;
mod promises;
mod shipped;
mod support;
mod terminal;
mod trouble;
#[path = "../support/window.rs"]
mod window;
