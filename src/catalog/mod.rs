//! The template catalog: how repositories are fetched, and how their manifests and webhooks are read.
//!
//! Fetching and reading git objects happens in a process of its own ([`fetch`]), which the server ends when it takes
//! too long; what comes back are texts of files, which are read here.

pub mod child;
pub mod fetch;
pub mod located;
pub mod manifest;
mod older;
pub mod readme;
pub mod webhook;

/// The subcommand that is the process for a fetch.
pub const CHILD: &str = "git-fetch";
