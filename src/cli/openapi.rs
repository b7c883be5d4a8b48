use std::io::Write;

use super::CliError;

/// Prints the OpenAPI document, made from the code.
pub(super) fn run() -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &crate::http::openapi::document())?;
    writeln!(out)?;
    Ok(())
}
