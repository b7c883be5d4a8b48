//! `streamspace git-fetch`: fetches a repository for the server that started it.

use super::CliError;
use crate::catalog::child;

/// Does what standard input asks for.
pub(super) fn run() -> Result<(), CliError> {
    Ok(child::run()?)
}
