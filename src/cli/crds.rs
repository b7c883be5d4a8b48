use std::io::Write;

use super::CliError;

/// Prints every definition, separated as `kubectl apply -f -` expects it.
pub(super) fn run() -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for definition in crate::crd::definitions() {
        writeln!(out, "---")?;
        writeln!(out, "{}", serde_saphyr::to_string(&definition)?.trim_end())?;
    }
    Ok(())
}
