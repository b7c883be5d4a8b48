//! `streamspace catalog validate`, as a repository's own checks call it.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::{git::Repo, world::manifest};

fn validate(folder: &Path, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamspace"));
    let Output { status, stdout, .. } = command.args(["catalog", "validate"]).arg(folder).args(more).output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

#[test]
fn what_is_wrong_with_a_catalog_is_said_with_file_line_and_column() {
    let repo = Repo::new();
    repo.write("tools/a.yaml", manifest("a", "Alpha"));
    let (good, said) = validate(&repo.work(), &["--strict"]);
    assert!(good && said == "1 templates\n", "{said}");
    repo.write("tools/b.yaml", manifest("b", "Beta").replace("port: 80", "port: 80000"));
    repo.write("twice.yaml", manifest("a", "Another")).write("values.yaml", "a: 1\n");
    let (good, said) = validate(&repo.work(), &[]);
    assert!(!good);
    for part in [
        "tools/b.yaml:10:13: error: spec.webapp.port",
        "twice.yaml:1:1: error: tools/a.yaml",
        "values.yaml:1:1: skipped",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn older_spellings_fail_only_who_wants_to_be_strict() {
    let repo = Repo::new();
    repo.write("a.yaml", manifest("a", "Alpha").replace("stream.streamspace.io", "stream.space"));
    let (good, said) = validate(&repo.work(), &[]);
    assert!(good && said.contains("a.yaml:1:1: warning: apiVersion"), "{said}");
    assert!(!validate(&repo.work(), &["--strict"]).0);
}

#[test]
fn the_catalog_that_is_shipped_is_one() {
    let (good, said) = validate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates-catalog"), &["--strict"]);
    assert!(good, "{said}");
}
