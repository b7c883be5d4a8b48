//! Our own images in the tests' cluster: built with the program that is tested, by the project's own script.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{fs, path::Path, process::Command, sync::Mutex};

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

/// The archive of an image, built again whenever the program or its definition is newer.
fn built(name: &str) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
    let archive = folder.join(format!("{name}.tar"));
    let program = env!("CARGO_BIN_EXE_streamspace");
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let sources = ["images/build", "images/pack", "images/finish"].map(|script| project.join(script));
    let definitions = [format!("images/{name}/image.json"), format!("templates-catalog/images/{name}/image.json")];
    let newest = sources.into_iter().chain(definitions.map(|path| project.join(path))).chain([program.into()]);
    if changed(&archive) < newest.filter_map(|path| changed(&path)).max() {
        let mut build = Command::new(project.join("images/build"));
        let built = build.args([program.as_ref(), folder.as_os_str(), name.as_ref()]).output().unwrap();
        assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
    }
    archive.display().to_string()
}
