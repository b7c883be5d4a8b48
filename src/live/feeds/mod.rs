//! What each topic carries.

pub mod jobs;
pub mod logs;
pub mod notifications;
pub mod sessions;
pub mod templates;
