//! The processes around a sandbox; people never call them.

use std::process::ExitCode;

use super::CliError;
use crate::engine::local;

/// Holds a sandbox until it is gone.
pub(super) fn hold() -> Result<(), CliError> {
    Ok(local::run_holder()?)
}

/// Is the first process of a sandbox; ends with the program's status.
pub(super) fn init() -> ExitCode {
    match local::run_init() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("streamspace: the sandbox could not begin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Refuses routes in a sandbox's network.
pub(super) fn net(networks: &[ipnet::IpNet]) -> Result<(), CliError> {
    Ok(local::refuse_routes(networks)?)
}
