use std::path::PathBuf;

/// Where the client's subcommands keep what belongs to the person: `streamspace` in `XDG_CONFIG_HOME`, or else in
/// `.config` of the home folder. `None` without either.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is config/")]
pub fn client_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(base.join("streamspace"))
}
