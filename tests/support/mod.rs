//! What the tests against a running server share.

pub mod app;
pub mod client;
