//! Everything people and programs ask for over HTTP.
//!
//! `routes` is the one table of URLs; `problem` is where an error meets its status; a handler parses, calls one
//! service and shows what it answered.

pub mod audit;
pub mod auth;
pub mod body;
pub mod catalog;
pub mod cluster;
pub mod connections;
pub mod context;
pub mod cookie;
pub mod etag;
mod form;
pub mod grants;
pub mod groups;
pub mod guard;
pub mod health;
pub mod identities;
pub mod jobs;
mod line;
pub mod list;
pub mod management;
pub mod mappings;
pub mod middleware;
pub mod nodes;
pub mod openapi;
pub mod operation;
pub mod page;
pub mod params;
pub mod problem;
pub mod projects;
pub mod quotas;
pub mod repositories;
pub mod routes;
pub mod saml;
pub mod server;
pub mod service_accounts;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod socket;
pub mod sso;
pub mod system;
pub mod templates;
pub mod tokens;
pub mod told;
pub mod users;
pub mod webhooks;
pub mod ws;
