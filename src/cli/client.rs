//! The client's side: which server, as whom, and how to ask it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::CliError;
use crate::config;

/// Longest time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest time until a server takes the connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How soon a connection that says nothing is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The file in the client's folder.
const FILE: &str = "credentials.json";

/// What the client remembers; only its owner can read it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    /// The server that is meant where none is named.
    current: Option<String>,
    /// By the server's origin.
    servers: BTreeMap<String, Server>,
}

/// A server that somebody signed in to.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    /// As whom.
    pub(super) user: String,
    /// A personal API token.
    pub(super) token: String,
    /// Until then.
    pub(super) expires_at: Timestamp,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("user", &self.user).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What is remembered; nothing where there is no file.
    pub(super) fn read() -> Result<Self, CliError> {
        Self::read_from(&folder()?)
    }

    fn read_from(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// Remembers `server` at `origin`, as the one that is meant where none is named.
    pub(super) fn remember(mut self, origin: &str, server: Server) -> Result<(), CliError> {
        self.servers.insert(origin.to_owned(), server);
        self.current = Some(origin.to_owned());
        self.write_to(&folder()?)
    }

    /// The server that is meant: `named`, or else the one that was signed in to last.
    fn find(mut self, named: Option<&Url>, now: Timestamp) -> Result<(Url, Server), CliError> {
        let origin = named.map(|url| url.origin().ascii_serialization()).or(self.current);
        let origin = origin.ok_or("sign in first: streamspace login URL")?;
        let again = |why: &str| format!("{why} {origin}: sign in with streamspace login {origin}");
        let server = self.servers.remove(&origin).ok_or_else(|| again("nobody is signed in to"))?;
        if server.expires_at <= now {
            return Err(again("the time is over for which you were signed in to").into());
        }
        Ok((origin.parse()?, server))
    }

    fn write_to(&self, folder: &Path) -> Result<(), CliError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let half = folder.join(format!("{FILE}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::other)
            .and_then(|bytes| file.write_all(&bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&half, folder.join(FILE)));
        if written.is_err() {
            let _ = fs::remove_file(&half);
        }
        Ok(written?)
    }
}

fn folder() -> Result<PathBuf, CliError> {
    config::client_folder().ok_or_else(|| "there is no home folder: set HOME or XDG_CONFIG_HOME".into())
}

/// Which server is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The server, such as `https://streamspace.example.org`. Absent: the one that was signed in to last.
    #[arg(long, global = true, env = "STREAMSPACE_SERVER")]
    server: Option<Url>,
}

impl Target {
    /// A client of it, as whoever is signed in there at `now`.
    pub(super) fn client(&self, now: Timestamp) -> Result<Client, CliError> {
        let (origin, server) = Credentials::read()?.find(self.server.as_ref(), now)?;
        Client::new(origin, Some(server.token))
    }
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Client {
    origin: Url,
    token: Option<String>,
    http: reqwest::Client,
}

/// Asks servers, within time limits.
pub(super) fn http() -> Result<reqwest::Client, CliError> {
    // Taken once a process; whoever was first chose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .connect_timeout(CONNECT_WITHIN)
        .tcp_keepalive(KEEP_ALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("streamspace/", env!("CARGO_PKG_VERSION")));
    Ok(client.build()?)
}

/// What a problem object says.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: String,
}

impl Client {
    /// Where the server is.
    pub(super) const fn origin(&self) -> &Url {
        &self.origin
    }

    /// A client of the server at `origin` that shows `token`.
    pub(super) fn new(origin: Url, token: Option<String>) -> Result<Self, CliError> {
        Ok(Self { origin, token, http: http()? })
    }

    /// A request to `path`.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, CliError> {
        let request = self.http.request(method, self.origin.join(path)?);
        // Without a token the server wants to know that no page of another site is behind this.
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request.header("origin", self.origin.origin().ascii_serialization()),
        })
    }
}

/// Sends `request` and reads what it answers; a problem becomes a sentence.
pub(super) async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CliError> {
    Ok(serde_json::from_slice(&send(request).await?.bytes().await?)?)
}

/// Sends `request` and waits for the head of an answer that says yes; a problem becomes a sentence.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, CliError> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    match serde_json::from_slice::<Problem>(&response.bytes().await?) {
        Ok(problem) => Err(format!("{}: {}", problem.title, problem.detail).into()),
        Err(_) => Err(format!("the server answered {status}: is this the address of a StreamSpace server?").into()),
    }
}

/// How answers are written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For programs: the objects as the API gives them.
    Json,
}

/// Items on a page of a list.
const PAGE_SIZE: usize = 500;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    total: usize,
    items: Vec<Value>,
}

/// The whole of a list, as far as `filters` want it.
pub(super) async fn all(client: &Client, path: &str, filters: &[(&str, &str)]) -> Result<Vec<Value>, CliError> {
    let mut items = Vec::new();
    for number in 1_usize.. {
        let request = client.request(Method::GET, path)?.query(filters);
        let page: Page = answer(request.query(&[("page", number), ("pageSize", PAGE_SIZE)])).await?;
        let last = page.items.is_empty();
        items.extend(page.items);
        if last || items.len() >= page.total {
            break;
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_remembered_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, now) = (folder.path().join("streamspace"), "2026-01-02T03:04:05Z".parse().unwrap());
        let mut credentials = Credentials::read_from(&folder).unwrap();
        let server = Server { user: "alice".into(), token: "secret".into(), expires_at: now };
        credentials.servers.insert("http://localhost:8000".into(), server);
        credentials.write_to(&folder).unwrap();
        credentials.write_to(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let again = Credentials::read_from(&folder).unwrap();
        assert_eq!(again.servers["http://localhost:8000"].token, "secret");
        assert!(!format!("{again:?}").contains("secret"));
    }

    #[test]
    fn the_server_is_the_one_that_is_named_or_else_the_last_one() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let known = || {
            let server = |minutes| Server {
                user: "alice".into(),
                token: "secret".into(),
                expires_at: now + jiff::SignedDuration::from_mins(minutes),
            };
            let servers = [("http://localhost:8000", server(1)), ("https://other.test", server(0))];
            let servers = servers.into_iter().map(|(origin, server)| (origin.to_owned(), server)).collect();
            Credentials { current: Some("http://localhost:8000".into()), servers }
        };
        let find = |named: Option<&str>| {
            let named = named.map(|url| url.parse().unwrap());
            known().find(named.as_ref(), now).map(|(origin, _)| origin.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(find(None).as_deref(), Ok("http://localhost:8000/"));
        assert_eq!(find(Some("http://localhost:8000/sessions")).as_deref(), Ok("http://localhost:8000/"));
        assert!(find(Some("https://other.test")).unwrap_err().contains("the time is over"));
        assert!(find(Some("https://third.test")).unwrap_err().contains("nobody is signed in to https://third.test"));
        assert!(Credentials::default().find(None, now).unwrap_err().to_string().contains("sign in first"));
    }
}
