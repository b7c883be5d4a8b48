//! The API as its callers see it: a real server, a real database, one binary for all of it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod cluster;
mod config;
mod conventions;
mod external;
mod gateway;
mod groups;
mod idempotency;
mod jwt;
mod live;
mod mappings;
mod marker;
mod nobody_signs_in;
mod nodes;
mod oidc;
mod oidc_logout;
mod openapi;
mod ownership;
mod permissions;
mod projects;
mod quotas;
mod register;
mod replicas;
mod roles;
mod saml;
mod saml_attacks;
mod saml_logout;
mod secrets;
mod service_accounts;
mod shares;
mod sign_in;
mod tokens;
mod users;
