//! What each topic carries.

pub mod logs;
pub mod notifications;
pub mod sessions;
pub mod templates;
