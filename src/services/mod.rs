//! What people can do: one file per noun, one function per action; owns transactions and the order of effects.

pub mod accounts;
pub mod activity;
pub mod audit;
pub mod audit_chain;
pub mod catalog;
pub mod cluster;
pub mod connections;
pub mod disabled;
pub mod drains;
pub mod groups;
pub mod idempotency;
pub mod identities;
pub mod intents;
pub mod invitations;
pub mod jobs;
pub mod logs;
pub mod mappings;
pub mod nodes;
pub mod oidc;
pub mod presence;
pub mod projects;
pub mod quotas;
pub mod register;
pub mod rights;
pub mod saml;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod sign_in;
pub mod sockets;
pub mod sso;
pub mod templates;
pub mod tokens;
pub mod trials;
pub mod upkeep;

use crate::Error;

/// Refuses what is at another version than the caller expects, where the caller said so.
fn at_version(expected: Option<i64>, found: i64) -> Result<(), Error> {
    if expected.is_some_and(|expected| expected != found) { Err(Error::Stale) } else { Ok(()) }
}
