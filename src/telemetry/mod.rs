//! Logs, metrics and named tasks.

pub mod logs;
pub mod metrics;
pub mod steps;
pub mod task;
