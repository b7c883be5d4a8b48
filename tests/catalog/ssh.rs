//! Repositories over SSH: a real sshd, a key of the repository's own, and a host that is known by its key.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::{User, geteuid};
use serde_json::{Value, json};

use crate::{
    git::{Manners, Repo},
    world::{World, manifest},
};

/// An sshd of the test's own, which lets one key in.
struct Sshd {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Sshd {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "user", "stranger"] {
            keygen(folder.path(), name);
        }
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if geteuid().is_root() {
            // Debian's service makes it when it starts.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let settings = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            at("host"),
            at("authorized"),
        );
        fs::write(folder.path().join("settings"), settings).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &at("settings")]).stderr(log).spawn();
        let mut sshd = Self { process: process.expect("openssh-server is installed"), folder, port };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(sshd.process.try_wait().unwrap().is_none() && Instant::now() < end, "{}", sshd.read("log"));
            std::thread::yield_now();
        }
        sshd
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// What the administrator excepts, so that it may lie on this machine.
    fn allow(&self) -> String {
        format!("--catalog-allow=ssh://127.0.0.1:{}/", self.port)
    }

    fn url(&self, served: PathBuf) -> String {
        let user = User::from_uid(geteuid()).unwrap().unwrap().name;
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, served.join("catalog.git").display())
    }

    /// How to sign in with the key `user` at a host with the key `host`.
    fn auth(&self, user: &str, host: &str) -> Value {
        json!({ "type": "ssh", "privateKey": self.read(user), "hostKey": self.read(&format!("{host}.pub")) })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn keygen(folder: &Path, name: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(folder.join(name))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
}

struct OverSsh {
    world: World,
    sshd: Sshd,
    id: String,
}

impl OverSsh {
    /// A repository that is read with the key `user` from a host that is known by the key `host`.
    async fn new(user: &str, host: &str) -> Self {
        let sshd = Sshd::start();
        let world = World::with(Manners::default(), &[&sshd.allow()]).await;
        world.repo.write("a.yaml", manifest("a", "Alpha")).push();
        let made = world.try_add(&sshd.url(world.repo.served()), json!({ "auth": sshd.auth(user, host) })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        world.until_synced(&id).await;
        Self { world, sshd, id }
    }

    async fn error(&self) -> String {
        let there = self.world.repository(&self.id).await;
        assert_eq!(there["status"], "failed", "{there}");
        there["lastError"].as_str().unwrap().to_owned()
    }

    /// Signs in otherwise from now on; answers the repository after its next sync.
    async fn sign_in(&self, user: &str, host: &str) -> Value {
        let path = format!("/api/v1/catalog/repositories/{}", self.id);
        let changed = self.world.admin.patch(&path, json!({ "auth": self.sshd.auth(user, host) })).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        self.world.until_synced(&self.id).await
    }
}

#[actix_web::test]
async fn a_repository_is_read_over_ssh_with_a_key_that_nobody_is_shown() {
    let over = OverSsh::new("user", "host").await;
    let there = over.world.repository(&over.id).await;
    assert_eq!((&there["status"], &there["auth"]["type"]), (&"synced".into(), &"ssh".into()), "{there}");
    assert_eq!(over.world.names("").await, ["a"]);
    over.world.repo.write("b.yaml", manifest("b", "Beta")).push();
    assert_eq!(over.world.sync(&over.id).await["status"], "synced");
    assert_eq!(over.world.sync(&over.id).await["status"], "synced", "nothing is new");
    assert_eq!(over.world.names("").await, ["a", "b"]);
    let mut said = there.to_string();
    for path in ["/api/v1/jobs", "/api/v1/audit"] {
        said += &over.world.admin.get(path).await.json().to_string();
    }
    let secret = over.sshd.read("user");
    assert!(secret.lines().skip(1).all(|line| !said.contains(line)), "{said}");
    let path = format!("/api/v1/catalog/repositories/{}", over.id);
    let renamed = over.world.admin.patch(&path, json!({ "name": "renamed" })).await;
    assert_eq!(renamed.status, 200, "its key stays: {renamed:?}");
    assert_eq!(over.world.until_synced(&over.id).await["status"], "synced");
}

#[actix_web::test]
async fn a_host_with_another_key_is_told_nothing() {
    let over = OverSsh::new("user", "stranger").await;
    let error = over.error().await;
    assert!(error.contains("another host key"), "{error}");
    assert!(!over.sshd.read("log").contains("Accepted"), "{}", over.sshd.read("log"));
    assert_eq!(over.sign_in("user", "host").await["status"], "synced", "the right one");
    assert!(over.sshd.read("log").contains("Accepted publickey"), "control: the log says who came");
}

#[actix_web::test]
async fn a_key_that_the_host_does_not_know_is_told_as_such() {
    let over = OverSsh::new("stranger", "host").await;
    let error = over.error().await;
    assert!(error.contains("refuses the key"), "{error}");
    assert_eq!(over.sign_in("user", "host").await["status"], "synced", "the right one");
}

#[actix_web::test]
async fn a_host_that_says_nothing_is_given_up_and_leaves_no_process() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let sshd = Sshd::start();
    let allow = format!("--catalog-allow=ssh://127.0.0.1:{port}/");
    let world = World::with(Manners::default(), &["--sync-timeout=1s", &allow]).await;
    let url = format!("ssh://git@127.0.0.1:{port}/catalog.git");
    let made = world.try_add(&url, json!({ "auth": sshd.auth("user", "host") })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let hung = world.until_synced(&id).await;
    assert!(hung["lastError"].as_str().unwrap().contains("did not answer within 1 s"), "{hung}");
    let (asked, _) = silent.accept().unwrap();
    // Whoever connected is gone: its end of the connection is closed.
    asked.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut &asked, &mut said).expect("ssh has ended");
    assert!(said.starts_with(b"SSH-2.0-"), "control: it was ssh");
}

#[actix_web::test]
async fn keys_and_urls_that_do_not_fit_each_other_are_refused_when_they_are_given() {
    let sshd = Sshd::start();
    let world = World::with(Manners::default(), &[&sshd.allow()]).await;
    let repo = Repo::new();
    repo.push();
    let url = sshd.url(repo.served());
    let good = sshd.auth("user", "host");
    let with = |field: &str, value: &str| {
        let mut auth = good.clone();
        auth[field] = value.into();
        auth
    };
    let inside = format!("ssh://git@127.0.0.1:{}/x", sshd.port + 1);
    for (url, auth, field) in [
        (&url, json!({ "type": "none" }), "auth"),
        (&url, json!({ "type": "token", "token": "t" }), "auth"),
        (&world.git.url(), good.clone(), "auth"),
        (&url, with("privateKey", "hunter2"), "auth.privateKey"),
        (&url, with("hostKey", "ssh-ed25519 x"), "auth.hostKey"),
        (&inside, good.clone(), "url"),
        (&url.replacen('@', ":secret@", 1), good.clone(), "url"),
    ] {
        let answer = world.try_add(url, json!({ "auth": auth })).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &field.into()), "{url} {auth}");
    }
    assert_eq!(world.try_add(&url, json!({ "auth": good })).await.status, 201, "control");
}
