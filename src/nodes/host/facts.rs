//! What a host is: its system, and its GPUs.

use std::{collections::BTreeMap, fs, path::Path};

use crate::domain::nodes::{Gpu, Versions};

/// PCI numbers of those who make GPUs.
const VENDORS: [(&str, &str); 3] = [("0x10de", "nvidia"), ("0x1002", "amd"), ("0x8086", "intel")];

/// The host's name.
pub(super) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The host's system.
pub(super) fn versions() -> Versions {
    let uname = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    Versions {
        os: pretty_name(&release).unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
        kernel: uname.release().to_string_lossy().into_owned(),
        architecture: architecture(&uname.machine().to_string_lossy()).to_owned(),
        streamspace: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Versions::default()
    }
}

/// `PRETTY_NAME` of an os-release(5).
fn pretty_name(release: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty())
}

/// The word that Kubernetes has for the kernel's.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Labels that Kubernetes' nodes have too, with the same meaning.
pub(super) fn labels(name: &str, versions: &Versions) -> BTreeMap<String, String> {
    [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", versions.architecture.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The GPUs that programs can compute or draw with: those with a render node. Of several vendors the first of
/// [`VENDORS`] that is there. `sys`, `proc`: `/sys`, `/proc`.
pub(super) fn gpu(sys: &Path, proc: &Path) -> Option<Gpu> {
    let nodes = fs::read_dir(sys.join("class/drm")).into_iter().flatten().flatten();
    let render = nodes.filter(|node| node.file_name().to_string_lossy().starts_with("renderD"));
    let vendors: Vec<String> = render
        .filter_map(|node| fs::read_to_string(node.path().join("device/vendor")).ok())
        .map(|vendor| vendor.trim().to_owned())
        .collect();
    VENDORS.iter().find_map(|(number, vendor)| {
        let count = vendors.iter().filter(|found| found == number).count() as u64;
        let model = if *vendor == "nvidia" { nvidia_model(proc) } else { None };
        (count > 0).then(|| Gpu { vendor: (*vendor).to_owned(), model, count })
    })
}

/// What NVIDIA's driver calls the first of its GPUs.
fn nvidia_model(proc: &Path) -> Option<String> {
    let folder = fs::read_dir(proc.join("driver/nvidia/gpus")).ok()?.flatten().next()?;
    let text = fs::read_to_string(folder.path().join("information")).ok()?;
    let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(model.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_called_what_it_calls_itself() {
        let release = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(release).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!((pretty_name("PRETTY_NAME="), pretty_name("")), (None, None));
        let here = versions();
        assert!(!here.kernel.is_empty() && !here.architecture.is_empty() && !name().is_empty());
    }

    #[test]
    fn gpus_are_the_render_nodes_of_known_vendors() {
        let host = tempfile::tempdir().unwrap();
        let (sys, proc) = (host.path().join("sys"), host.path().join("proc"));
        assert_eq!(gpu(&sys, &proc), None);
        for (node, vendor) in [
            ("card0", "0x1a03"),
            ("card1", "0x10de"),
            ("renderD128", "0x10de"),
            ("renderD129", "0x10de"),
            ("renderD130", "0x8086"),
        ] {
            fs::create_dir_all(sys.join("class/drm").join(node).join("device")).unwrap();
            fs::write(sys.join("class/drm").join(node).join("device/vendor"), format!("{vendor}\n")).unwrap();
        }
        let nvidia = Gpu { vendor: "nvidia".into(), model: None, count: 2 };
        assert_eq!(gpu(&sys, &proc), Some(nvidia.clone()));
        fs::create_dir_all(proc.join("driver/nvidia/gpus/0000:01:00.0")).unwrap();
        fs::write(proc.join("driver/nvidia/gpus/0000:01:00.0/information"), "Model: \t\t NVIDIA L4\nIRQ: 1\n").unwrap();
        assert_eq!(gpu(&sys, &proc), Some(Gpu { model: Some("NVIDIA L4".into()), ..nvidia }));
    }
}
