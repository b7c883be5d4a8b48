//! What the tests against a running server share.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod app;
pub mod client;
pub mod feed;
pub mod idp;
pub mod people;
pub mod postgres;
pub mod program;
pub mod saml;
pub mod until;
