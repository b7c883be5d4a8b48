//! What people can do: one file per noun, one function per action; owns transactions and the order of effects.

pub mod idempotency;
pub mod presence;
