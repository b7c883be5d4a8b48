//! Tables of the template catalog.

pub mod deliveries;
pub mod grants;
pub mod repositories;
pub mod syncs;
pub mod templates;
