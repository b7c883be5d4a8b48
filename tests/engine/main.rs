//! The local engine against real sandboxes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

mod adoption;
mod isolation;
mod life;
mod shipped;
mod support;
mod terminal;
mod trouble;
