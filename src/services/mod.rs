//! What people can do: one file per noun, one function per action; owns transactions and the order of effects.

pub mod accounts;
pub mod activity;
pub mod audit;
pub mod audit_chain;
pub mod catalog;
pub mod connections;
pub mod disabled;
pub mod drains;
pub mod groups;
pub mod idempotency;
pub mod intents;
pub mod jobs;
pub mod logs;
pub mod nodes;
pub mod mappings;
pub mod presence;
pub mod projects;
pub mod quotas;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod sockets;
pub mod sso;
pub mod templates;
pub mod tokens;
pub mod upkeep;
