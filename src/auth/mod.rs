//! Who is calling, and what they may do.

pub mod permission;

pub use permission::{Caller, Permission, Role};
