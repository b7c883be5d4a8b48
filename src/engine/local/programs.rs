//! Programs: what sessions find, and what is missing on the host.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{crd::Requirement, engine::Workload};

/// This binary, as a session sees it.
pub(super) const OWN_BINARY: &str = "/run/streamspace/bin/streamspace";
/// `XDG_RUNTIME_DIR` of a session.
pub(super) const RUNTIME_FOLDER: &str = "/run/user/1000";
/// Where a session looks for programs, before the tools that the setup brought.
const SEARCH_PATH: [&str; 4] = ["/run/streamspace/bin", "/usr/local/bin", "/usr/bin", "/bin"];
/// The name under which templates mean this binary.
const OWN_NAME: &str = "streamspace";

/// The search path of sessions: the system's, then each tool's `bin`, in the order of their names.
pub(super) fn search_path(tools: Option<&Path>) -> Vec<PathBuf> {
    let mut path: Vec<PathBuf> = SEARCH_PATH.iter().map(PathBuf::from).collect();
    let entries = tools.and_then(|tools| fs::read_dir(tools).ok()).into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).filter(|bin| bin.is_dir()).collect();
    bins.sort();
    path.extend(bins);
    path
}

/// The first executable file of that name. A name with a slash stands for itself.
pub(super) fn find(name: &str, path: &[PathBuf]) -> Option<PathBuf> {
    if name.contains('/') {
        return is_executable(Path::new(name)).then(|| PathBuf::from(name));
    }
    path.iter().map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Those of `requires` that a session would not find on this host.
pub(super) fn missing(requires: &[Requirement], tools: Option<&Path>) -> Vec<Requirement> {
    let path = search_path(tools);
    let there = |name: &str| name == OWN_NAME || find(name, &path).is_some();
    requires.iter().filter(|requirement| !there(&requirement.program)).cloned().collect()
}

/// The whole environment of a workload's program. What tells it where it is cannot be overridden by a template.
pub(super) fn environment(workload: &Workload, tools: Option<&Path>) -> BTreeMap<String, String> {
    let path = search_path(tools);
    let path: Vec<&OsStr> = path.iter().map(|folder| folder.as_os_str()).collect();
    let path = path.join(OsStr::new(":")).to_string_lossy().into_owned();
    let mut env = BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned()), ("SHELL".into(), "/bin/bash".into())]);
    env.extend(workload.env.clone());
    env.extend(
        [
            ("HOME", workload.home_path.as_str()),
            ("USER", &workload.user),
            ("LOGNAME", &workload.user),
            ("PATH", &path),
            ("XDG_RUNTIME_DIR", RUNTIME_FOLDER),
            ("STREAMSPACE_SESSION", &workload.session.0),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_missing_and_one_of_a_tool_is_not() {
        let tools = tempfile::tempdir().unwrap();
        let bin = tools.path().join("notebook/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("brought-along"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(bin.join("brought-along"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(bin.join("not-executable"), "").unwrap();
        let requires = ["sh", "streamspace", "brought-along", "not-executable", "no-such-program"]
            .map(|program| Requirement { program: program.into(), install: "apt-get install it".into() });
        let names: Vec<_> = missing(&requires, Some(tools.path())).into_iter().map(|r| r.program).collect();
        assert_eq!(names, ["not-executable", "no-such-program"]);
    }
}
