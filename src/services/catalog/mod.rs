//! The template catalog, as people act on it.

pub use crate::catalog::{manifest::Problem, webhook::Webhook};

mod apply;
pub mod browse;
pub mod builtin;
pub mod grants;
pub mod install;
pub mod repositories;
pub mod schedule;
pub mod sync;
pub mod webhooks;
