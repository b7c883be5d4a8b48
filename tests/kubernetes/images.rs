//! Our own images in the tests' cluster: built with the program that is tested, by the project's own script.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{path::Path, process::Command, sync::Mutex};

use crate::cluster::Cluster;

/// Brings `localhost/streamspace/{name}:latest` to every node; a cluster of somebody else's has to have it.
pub fn bring(cluster: &Cluster, names: &[&'static str]) {
    static THERE: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    if !cluster.is_own() {
        return;
    }
    // Held while they are built: another test that wants one of them waits for it.
    let mut there = THERE.lock().unwrap();
    for name in names {
        if !there.contains(name) {
            cluster.control(&format!("import {}", built(name)));
            there.push(name);
        }
    }
}

/// The archive of an image, built where it is older than the program or its definition.
fn built(name: &str) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
    let mut build = Command::new(project.join("images/build"));
    build.arg(env!("CARGO_BIN_EXE_streamspace")).args([folder.as_os_str(), name.as_ref()]);
    let output = build.output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    folder.join(format!("{name}.tar")).display().to_string()
}
