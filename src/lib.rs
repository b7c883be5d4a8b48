//! StreamSpace: interactive sessions in the browser, on one machine and on Kubernetes.
//!
//! `ARCHITECTURE.md` shows how the modules hang together; `tests/architecture.rs` keeps the arrows one way.

pub mod app;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
pub mod crd;
pub mod desktop;
pub mod domain;
pub mod engine;
pub mod error;
pub mod gateway;
pub mod http;
pub mod jobs;
pub mod live;
pub mod nodes;
pub mod objects;
pub mod outgoing;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod terminal;

pub use app::App;
pub use error::Error;
