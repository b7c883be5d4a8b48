//! A server of the test's own, and a person's client of it.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// Longest wait for anything here.
const LIMIT: Duration = Duration::from_secs(90);
/// A pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);
const PROGRAM: &str = env!("CARGO_BIN_EXE_streamspace");

/// The real binary with folders, database and ports of its own. Takes its sessions along when it is dropped.
pub struct Server {
    child: Child,
    // Removed last.
    folder: tempfile::TempDir,
}

/// What a call of the client came to.
#[derive(Debug)]
pub struct Called {
    pub ok: bool,
    pub output: String,
    pub errors: String,
}

impl Called {
    /// What it wrote; it has to have succeeded.
    #[track_caller]
    pub fn said(&self) -> &str {
        assert!(self.ok, "{self:?}");
        &self.output
    }
}

impl Server {
    /// Starts it and waits for the sign-in link.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("streamspace-cli-").tempdir().unwrap();
        // The database and the sessions have users of their own where the server is root.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(PROGRAM)
            .arg("serve")
            .env("DATA_DIR", folder.path().join("data"))
            .env("RUN_DIR", folder.path().join("run"))
            .env("API_PORT", free_port().to_string())
            .env("MANAGEMENT_PORT", free_port().to_string())
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { child, folder };
        server.until("the server is ready", || server.link().is_some());
        server
    }

    /// Signs the first administrator in.
    pub fn signed_in(&self) {
        let link = self.link().unwrap();
        let login = self.client(&["login", &link]);
        assert!(login.said().contains("signed in to"), "{login:?}");
    }

    /// Calls the client as the person of the test.
    pub fn client(&self, arguments: &[&str]) -> Called {
        let home = self.folder.path().join("person");
        let output = Command::new(PROGRAM).args(arguments).env("XDG_CONFIG_HOME", home).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Called { ok: output.status.success(), output: text(output.stdout), errors: text(output.stderr) }
    }

    /// Waits until `look` says that it is so.
    #[track_caller]
    pub fn until(&self, what: &str, look: impl Fn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !look() {
            assert!(Instant::now() < end, "waited in vain: {what}\n{}", self.log());
            thread::sleep(LOOK);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn link(&self) -> Option<String> {
        let log = self.log();
        let link = log.split_whitespace().find(|word| word.contains("/sign-in#link="))?.to_owned();
        log.contains("Ctrl-C stops the server").then_some(link)
    }

    /// Sessions outlive the server on purpose, so they go before it.
    fn delete_sessions(&self) {
        let list = || {
            let output = self.client(&["sessions", "list", "-o", "json"]).output;
            serde_json::from_str::<Vec<Value>>(&output).unwrap_or_default()
        };
        let end = Instant::now() + LIMIT;
        for session in list() {
            if let Some(id) = session["metadata"]["name"].as_str() {
                self.client(&["sessions", "delete", id]);
            }
        }
        while !list().is_empty() && Instant::now() < end {
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.delete_sessions();
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
