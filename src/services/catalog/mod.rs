//! The template catalog, as people act on it.

pub use crate::catalog::{manifest::Problem, webhook::Webhook};

pub mod browse;
pub mod install;
pub mod repositories;
pub mod schedule;
pub mod sync;
pub mod webhooks;
