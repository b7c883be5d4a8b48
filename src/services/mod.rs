//! What people can do: one file per noun, one function per action; owns transactions and the order of effects.

pub mod accounts;
pub mod audit;
pub mod audit_chain;
pub mod idempotency;
pub mod presence;
pub mod sign_in;
pub mod tokens;
