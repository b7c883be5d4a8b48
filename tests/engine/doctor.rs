//! `streamspace doctor` on this host, and on this host with something taken away.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Where sessions and the server find programs.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Name of a file that stands in the place of a program and is none.
const NO_PROGRAM: &str = "no-program";

struct Doctor {
    folder: tempfile::TempDir,
    /// Programs that are not there for it.
    without: Vec<PathBuf>,
    /// More of what makes its view of the host.
    view: Vec<&'static str>,
    settings: BTreeMap<&'static str, String>,
}

impl Doctor {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("streamspace-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        std::fs::write(folder.path().join(NO_PROGRAM), "no program").unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = [
            ("DATA_DIR", folder.path().join("data").display().to_string()),
            ("RUN_DIR", folder.path().join("run").display().to_string()),
            ("API_PORT", free().to_string()),
            ("MANAGEMENT_PORT", free().to_string()),
        ];
        Self { folder, without: Vec::new(), view: Vec::new(), settings: settings.into() }
    }

    fn without(mut self, programs: &[&str]) -> Self {
        for program in programs {
            let everywhere = PATH.iter().map(|folder| Path::new(folder).join(program));
            // What a link leads to, since nothing can be put over a link.
            self.without.extend(everywhere.filter_map(|path| path.canonicalize().ok()));
        }
        self
    }

    fn with(mut self, setting: &'static str, value: impl ToString) -> Self {
        self.settings.insert(setting, value.to_string());
        self
    }

    /// Runs it in a view of this host in which those are missing; whether it succeeded, and what it found.
    fn look(&self) -> (bool, Value) {
        let mut command = Command::new("bwrap");
        command.args(["--dev-bind", "/", "/"]);
        for path in &self.without {
            command.arg("--ro-bind").arg(self.folder.path().join(NO_PROGRAM)).arg(path);
        }
        command.args(&self.view);
        let data = self.folder.path().join("data");
        command.args(["--", env!("CARGO_BIN_EXE_streamspace"), "doctor", "--json"]);
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(&self.settings);
        let output = command.output().unwrap();
        let found = serde_json::from_slice(&output.stdout);
        let found = found.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        assert!(!data.exists(), "it makes nothing");
        (output.status.success(), found)
    }
}

fn finding<'a>(found: &'a Value, subject: &str) -> &'a Value {
    let all = found["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["subject"] == subject).unwrap_or_else(|| panic!("{subject} in {found:#}"))
}

fn says(finding: &Value, standing: &str, words: &str) {
    let told = format!("{} {}", finding["message"], finding["remedy"]);
    assert!(finding["standing"] == standing && told.contains(words), "{finding:#}");
}

#[test]
fn a_host_with_everything_is_found_ready_and_every_shipped_template_runs() {
    let (success, found) = Doctor::new().look();
    assert!(success && found["ready"] == true, "{found:#}");
    for subject in
        ["sandbox", "database", "data folder", "sockets", "ports", "settings", "names of sessions", "catalogs over SSH"]
    {
        assert_eq!(finding(&found, subject)["standing"], "good", "{found:#}");
    }
    for template in ["terminal", "desktop", "browser"] {
        assert_eq!(finding(&found, &format!("template {template}"))["standing"], "good", "{found:#}");
    }
}

#[test]
fn each_program_that_is_missing_is_named_with_the_command_that_brings_it() {
    let (success, found) = Doctor::new().without(&["slirp4netns", "Xvnc", "openbox", "ssh"]).look();
    assert!(success && found["ready"] == true, "what is missing only limits it: {found:#}");
    says(finding(&found, "network"), "limited", "apt-get install slirp4netns");
    says(finding(&found, "catalogs over SSH"), "limited", "apt-get install openssh-client");
    says(finding(&found, "template desktop"), "limited", "Xvnc, openbox");
    says(finding(&found, "template desktop"), "limited", "apt-get install tigervnc-standalone-server");
    says(finding(&found, "template terminal"), "good", "runs here");
}

#[test]
fn a_host_without_bubblewrap_or_postgresql_is_not_ready() {
    let mut doctor = Doctor::new().without(&["postgres", "initdb"]);
    doctor.view = vec!["--tmpfs", "/usr/lib/postgresql"];
    let (success, found) = doctor.look();
    assert!(!success && found["ready"] == false);
    says(finding(&found, "database"), "broken", "apt-get install postgresql");
    // The one that makes this view of the host is out of the way while the doctor looks.
    let (success, found) = Doctor::new().without(&["bwrap"]).look();
    assert!(!success);
    says(finding(&found, "sandbox"), "broken", "apt-get install bubblewrap");
}

#[test]
fn a_port_that_is_taken_a_folder_that_is_closed_and_a_name_that_leads_nowhere_are_told() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let doctor = Doctor::new().with("MANAGEMENT_PORT", port);
    let (success, found) = doctor.look();
    assert!(!success);
    says(finding(&found, "ports"), "broken", "MANAGEMENT_PORT");

    let doctor = Doctor::new();
    let inside_a_file = doctor.folder.path().join(NO_PROGRAM).join("run");
    let (success, found) = doctor.with("RUN_DIR", inside_a_file.display()).look();
    assert!(!success);
    says(finding(&found, "sockets"), "broken", "RUN_DIR");

    let elsewhere = Doctor::new().with("APPS_DOMAIN", "apps.example.invalid");
    let (success, found) = elsewhere.with("PUBLIC_URL", "https://example.invalid").look();
    assert!(!success);
    says(finding(&found, "names of sessions"), "broken", "wildcard record for *.apps.example.invalid");
}
