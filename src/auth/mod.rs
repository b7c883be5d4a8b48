//! Who is calling, and what they may do.

pub mod password;
pub mod permission;
pub mod secret;

pub use permission::{Caller, Credential, Permission, Role};
