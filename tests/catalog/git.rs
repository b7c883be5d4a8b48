//! Git repositories, and an HTTP server that serves them as git's own backend does.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::support::program::{Client, Head, Program};

/// A bare repository with a working copy.
pub struct Repo {
    root: tempfile::TempDir,
}

impl Repo {
    /// An empty one whose main branch is `main`.
    pub fn new() -> Self {
        let repo = Self { root: tempfile::tempdir().unwrap() };
        run(repo.root.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "served/catalog.git"]);
        run(repo.root.path(), &["init", "--quiet", "--initial-branch=main", "work"]);
        repo
    }

    /// The folder whose repositories are served.
    pub fn served(&self) -> PathBuf {
        self.root.path().join("served")
    }

    /// The working copy.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Runs git in the working copy; answers what it prints.
    pub fn git(&self, arguments: &[&str]) -> String {
        run(&self.work(), arguments)
    }

    /// Writes a file of the working copy.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Removes a file of the working copy.
    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.work().join(path)).unwrap();
        self
    }

    /// Commits everything and pushes it to `main`; answers the commit.
    pub fn push(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=change"]);
        self.git(&["push", "--quiet", "--force", "../served/catalog.git", "HEAD:refs/heads/main"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// 320,000 bytes that cannot be compressed.
pub fn noise() -> Vec<u8> {
    (0..10_000_u32).flat_map(|number| Sha256::digest(number.to_le_bytes())).collect()
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = command().args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Git without the settings of whoever runs the tests.
fn command() -> std::process::Command {
    let mut command = std::process::Command::new("git");
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "T"), ("GIT_AUTHOR_EMAIL", "t@example.com")])
        .envs([("GIT_COMMITTER_NAME", "T"), ("GIT_COMMITTER_EMAIL", "t@example.com")])
        .args(["-c", "protocol.file.allow=always"]);
    command
}

/// How a server behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// User and password that it wants.
    pub password: Option<(String, String)>,
    /// It answers nothing.
    pub hangs: Arc<AtomicBool>,
    /// It says what there is, and hangs when it is asked for it.
    pub hangs_later: Arc<AtomicBool>,
    /// Where it redirects to.
    pub redirect: Arc<Mutex<Option<String>>>,
    /// How many requests it had.
    pub requests: Arc<AtomicU32>,
    /// Headers of the requests that carried credentials.
    pub credentials: Arc<AtomicU32>,
}

/// Serves the repositories of a folder.
pub struct Server {
    program: Program,
    pub manners: Manners,
}

impl Server {
    /// Serves `folder`.
    pub async fn start(folder: PathBuf, manners: Manners) -> Self {
        let kept = manners.clone();
        let program = Program::start(move |client| serve(client, folder.clone(), manners.clone())).await;
        Self { program, manners: kept }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.program.address
    }

    /// The URL of everything that it serves.
    pub fn root(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// The URL of the repository.
    pub fn url(&self) -> String {
        format!("{}catalog.git", self.root())
    }
}

async fn serve(mut client: Client, folder: PathBuf, manners: Manners) {
    while let Some(head) = client.head().await {
        let body = client.body(&head).await;
        manners.requests.fetch_add(1, Ordering::SeqCst);
        if !head.one("authorization").is_empty() {
            manners.credentials.fetch_add(1, Ordering::SeqCst);
        }
        let later = manners.hangs_later.load(Ordering::SeqCst) && head.text.starts_with("POST");
        if later || manners.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let redirect = manners.redirect.lock().unwrap().clone();
        if let Some(to) = redirect {
            client.write(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")).await;
            continue;
        }
        if !allowed(&head, &manners) {
            let challenge =
                "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\ncontent-length: 0\r\n\r\n";
            client.write(challenge).await;
            continue;
        }
        let answer = backend(&head, &body, &folder).await;
        client.write(answer).await;
    }
}

fn allowed(head: &Head, manners: &Manners) -> bool {
    let Some((user, password)) = &manners.password else { return true };
    head.one("authorization") == format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What git's backend answers, as HTTP.
async fn backend(head: &Head, body: &[u8], folder: &Path) -> Vec<u8> {
    let mut line = head.text.split(' ');
    let (method, target) = (line.next().unwrap(), line.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_CONFIG_COUNT", "2"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")])
        .envs([("GIT_CONFIG_KEY_1", "uploadpack.allowAnySHA1InWant"), ("GIT_CONFIG_VALUE_1", "true")])
        .envs([("REQUEST_METHOD", method), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .env("CONTENT_TYPE", head.one("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(body).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (headers, body) = (std::str::from_utf8(&output[..end]).unwrap(), &output[end + 4..]);
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest: Vec<&str> = headers.lines().filter(|line| !line.starts_with("Status: ")).collect();
    let head = format!("HTTP/1.1 {status}\r\n{}\r\ncontent-length: {}\r\n\r\n", rest.join("\r\n"), body.len());
    [head.as_bytes(), body].concat()
}
