//! What each topic carries.

pub mod cluster;
pub mod figures;
pub mod jobs;
pub mod logs;
pub mod notifications;
pub mod sessions;
pub mod templates;
