//! Logs, metrics and named tasks.

pub mod task;
