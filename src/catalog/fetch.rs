//! Fetching a repository, as the server sees it: a process of its own does it, and is ended when it takes too long.
//!
//! libgit2 blocks and parses what strangers wrote. So it runs in `streamspace git-fetch`, which gets what it needs on
//! its standard input, knows nothing else of the server, and is bound in memory, disk, time and network.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::domain::catalog::Reference;

/// Most bytes of a line that the process says: a file and its path.
const LINE_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of all manifests of a repository together.
const MANIFEST_BYTES: usize = 32 * 1024 * 1024;

/// What is fetched, how, and within which limits.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Request {
    /// The repository, without credentials.
    pub url: String,
    /// Which commit.
    pub reference: Reference,
    /// The folder whose files are wanted; empty: all.
    pub folder: String,
    /// The bare repository that keeps what was fetched; made where there is none.
    pub cache: PathBuf,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Prefixes of URLs that may lie anywhere.
    pub exceptions: Vec<String>,
    /// The commit that was read last: if it is still the one, nothing is fetched.
    pub head: Option<String>,
    /// Files that are known, as `{blob} {path}`: their content is not sent again.
    pub known: BTreeSet<String>,
    /// What it may cost.
    pub limits: Limits,
}

/// How to sign in to a repository.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum SignIn {
    /// It is public.
    #[default]
    Nothing,
    /// With a user and a password or token.
    Password {
        /// The user's name.
        user: String,
        /// The password or token.
        secret: String,
    },
    /// With a key, to a host that is known by its own.
    Key {
        /// The private key, as OpenSSH keeps it in a file.
        private_key: String,
        /// The host's public keys, one a line: type and key.
        host_keys: String,
    },
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Password { .. } => "Password",
            Self::Key { .. } => "Key",
        })
    }
}

/// Whether a file of that name or path may hold templates.
#[must_use]
pub fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    (has_ending(name, "yaml") || has_ending(name, "yml")) && !name.starts_with('.')
}

/// Whether what follows the last dot of a name is `ending`, in whatever case.
#[must_use]
pub fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// Which of `others` (Markdown) are READMEs of `manifests`: those that have a manifest's name, and those called README
/// whose folder holds one manifest.
#[must_use]
pub fn readmes<'a>(manifests: &[&str], others: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let parts = |path: &'a str| path.rsplit_once('/').unwrap_or(("", path));
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for manifest in manifests {
        let (folder, name) = manifest.rsplit_once('/').unwrap_or(("", manifest));
        folders.entry(folder).or_default().push(name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    }
    let is_readme = |path: &&'a str| {
        let (folder, name) = parts(path);
        let stem = name.strip_suffix(".md");
        let around = folders.get(folder).map(Vec::as_slice).unwrap_or_default();
        let of_folder = matches!(name, "README.md" | "readme.md" | "Readme.md") && around.len() == 1;
        of_folder || stem.is_some_and(|stem| around.contains(&stem))
    };
    others.into_iter().filter(is_readme).collect()
}

/// What a fetch may cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Limits {
    /// Most bytes from the network.
    pub bytes: u64,
    /// Most entries of all folders together.
    pub entries: usize,
    /// Most bytes of a manifest.
    pub file_bytes: usize,
    /// Most bytes of all manifests together that are not known.
    pub manifest_bytes: usize,
    /// Most levels of folders.
    pub depth: usize,
}

impl Limits {
    /// Those of a repository of at most so many bytes.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        let manifest_bytes = usize::try_from(bytes).unwrap_or(MANIFEST_BYTES).min(MANIFEST_BYTES);
        Self { bytes, entries: 50_000, file_bytes: 256 * 1024, manifest_bytes, depth: 32 }
    }
}

/// What the process says, one JSON object a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Said {
    /// How far it is.
    Progress {
        /// Done.
        done: u64,
        /// In all.
        total: u64,
        /// What is being done.
        message: String,
    },
    /// A manifest.
    File {
        /// From the repository's root.
        path: String,
        /// The id of its content.
        blob: String,
        /// Its content in base64; none: it is known.
        content: Option<String>,
    },
    /// Something that is not read.
    Left {
        /// From the repository's root.
        path: String,
        /// Why.
        reason: String,
    },
    /// That was all.
    Done {
        /// The commit that was read.
        commit: String,
        /// Whether it is the one that was read last; then no files were told.
        unchanged: bool,
    },
    /// It did not work.
    Failed {
        /// Why, as a sentence.
        message: String,
        /// Whether another attempt may go better.
        again: bool,
    },
}

/// What came of a fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fetched {
    /// The commit.
    pub commit: String,
    /// Whether it is the one that was read last; then the rest is empty.
    pub unchanged: bool,
    /// Manifests by path: blob and content; none: it is known.
    pub files: Vec<File>,
    /// What is not read: path and reason.
    pub left: Vec<(String, String)>,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// From the repository's root.
    pub path: String,
    /// The id of its content.
    pub blob: String,
    /// Its content; none: it is known.
    pub content: Option<Vec<u8>>,
}

/// Why nothing was fetched.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// A sentence for the person, without secrets.
    pub message: String,
    /// Whether another attempt may go better.
    pub again: bool,
}

impl FetchError {
    fn again(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: true }
    }
}

/// Fetches with `program`, which is this very program. `progress` is told how far it is. The process ends when the
/// future is dropped.
///
/// # Errors
/// [`FetchError`], also when it takes longer than `within`.
pub async fn fetch(
    program: &Path,
    request: &Request,
    within: Duration,
    progress: impl Fn(u64, u64, &str),
) -> Result<Fetched, FetchError> {
    let child = Command::new(program)
        .arg(super::CHILD)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| FetchError::again(format!("the process that fetches cannot be started: {error}")))?;
    let mut process = Process(child);
    let done = tokio::time::timeout(within, converse(&mut process.0, request, progress)).await;
    done.unwrap_or_else(|_| {
        Err(FetchError::again(format!("the repository did not answer within {} s", within.as_secs())))
    })
}

/// The process, and those that it started: dropped before its end, all of them are killed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()) else { return };
        if let Err(error) = killpg(Pid::from_raw(group), Signal::SIGKILL) {
            tracing::warn!(process.id = group, error = %error, "a process that fetches could not be killed");
        }
    }
}

async fn converse(
    child: &mut Child,
    request: &Request,
    progress: impl Fn(u64, u64, &str),
) -> Result<Fetched, FetchError> {
    let broken = |error: std::io::Error| FetchError::again(format!("the process that fetches broke off: {error}"));
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(FetchError::again("the process that fetches cannot be spoken to"));
    };
    let mut text = serde_json::to_vec(request).map_err(|error| broken(error.into()))?;
    text.push(b'\n');
    // It stays open: its end tells the process that the server is gone.
    input.write_all(&text).await.map_err(broken)?;
    let mut output = BufReader::new(output);
    let mut fetched = Fetched::default();
    let mut line = Vec::new();
    while read_line(&mut output, &mut line).await.map_err(broken)? {
        let said = serde_json::from_slice(&line).map_err(|error| broken(error.into()))?;
        match said {
            Said::Progress { done, total, message } => progress(done, total, &message),
            Said::File { path, blob, content } => {
                let content = content.map(|text| STANDARD.decode(text)).transpose();
                let content = content.map_err(|error| broken(std::io::Error::other(error)))?;
                fetched.files.push(File { path, blob, content });
            }
            Said::Left { path, reason } => fetched.left.push((path, reason)),
            Said::Done { commit, unchanged } => {
                child.wait().await.map_err(broken)?;
                return Ok(Fetched { commit, unchanged, ..fetched });
            }
            Said::Failed { message, again } => return Err(FetchError { message, again }),
        }
    }
    let status = child.wait().await.map_err(broken)?;
    Err(FetchError::again(format!("the process that fetches went beyond its limits ({status})")))
}

/// Reads a line of bounded length; false: there is none left.
async fn read_line(output: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let some = output.fill_buf().await?;
        if some.is_empty() {
            return Ok(false);
        }
        let end = some.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&some[..end.unwrap_or(some.len())]);
        let used = end.map_or(some.len(), |end| end + 1);
        output.consume(used);
        if line.len() > LINE_BYTES {
            return Err(std::io::Error::other("it says too much at once"));
        }
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_belongs_to_the_manifest_of_its_name_or_the_only_one_beside_it() {
        let manifests = ["one/tool.yaml", "many/a.yaml", "many/b.yml", "root.yaml"];
        let others = ["one/README.md", "many/README.md", "many/b.md", "many/c.md", "README.md", "docs/README.md"];
        let found: Vec<&str> = readmes(&manifests, others).into_iter().collect();
        assert_eq!(found, ["README.md", "many/b.md", "one/README.md"]);
    }

    #[test]
    fn manifests_are_known_by_their_ending() {
        assert!(is_manifest("a/b.yaml") && is_manifest("B.YML"));
        assert!(!is_manifest(".hidden.yaml") && !is_manifest("a/.pre-commit.yml") && !is_manifest("yaml"));
    }
}
