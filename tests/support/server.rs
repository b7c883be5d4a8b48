//! A server of the test's own: the real binary with folders, database and ports of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::redirect::Policy;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{PidfdFlags, pidfd_open},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{client::IntoClientRequest, handshake::client::Request},
};

#[allow(clippy::duplicate_mod, reason = "this file is also used where the rest of this folder is not")]
#[path = "until.rs"]
mod until;
use until::LOOK;
pub use until::within;

/// Longest wait for anything here.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Waits until `look` finds what it looks for, and says what was awaited where it never comes.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(LIMIT, what, look).await
}

/// The server, its folders, and a client of it.
pub struct Server {
    folder: PathBuf,
    port: u16,
    management: u16,
    child: Option<Child>,
    http: reqwest::Client,
    settings: Vec<(&'static str, String)>,
    /// What is run from now on.
    pub program: PathBuf,
    /// Of whoever signed in.
    cookie: Option<String>,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub retry_after: Option<String>,
    pub body: Value,
}

/// A browser's way into a session, or to the platform itself.
pub struct Entry {
    host: String,
    cookie: String,
    /// Where the server is.
    address: SocketAddr,
}

impl Entry {
    /// The way to what is called `host` at `address`, for whoever has that cookie.
    pub fn new(host: impl Into<String>, cookie: impl Into<String>, address: SocketAddr) -> Self {
        Self { host: host.into(), cookie: cookie.into(), address }
    }

    /// A connection to the server, and a request for `path` that opens a WebSocket over it.
    pub async fn socket(&self, path: &str) -> (Request, TcpStream) {
        let mut request = format!("ws://{}{path}", self.host).into_client_request().expect("a request");
        let own = [("origin", format!("http://{}", self.host)), ("cookie", self.cookie.clone())];
        for (name, value) in own {
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        (request, self.line().await)
    }

    /// The feed at `path`.
    pub async fn feed(&self, path: &str) -> Feed {
        let (request, line) = self.socket(path).await;
        Feed(client_async(request, line).await.expect("a feed").0)
    }

    /// A connection over which `path` was asked for; nothing of the answer was read.
    pub async fn ask(&self, path: &str) -> TcpStream {
        self.begin(&format!("GET {path} HTTP/1.1"), "").await
    }

    /// A connection over which the head of a request was sent; each of `headers` is ended by CR LF.
    pub async fn begin(&self, request_line: &str, headers: &str) -> TcpStream {
        let Self { host, cookie, .. } = self;
        let head =
            format!("{request_line}\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {cookie}\r\n{headers}\r\n");
        let mut line = self.line().await;
        line.write_all(head.as_bytes()).await.expect("it is sent");
        line
    }

    /// What is at `path`, as text.
    pub async fn page(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        let asked = reqwest::Client::new().get(url).header("host", &self.host).header("cookie", &self.cookie);
        asked.send().await.expect("an answer").text().await.expect("text")
    }

    async fn line(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }
}

/// What a feed tells.
pub struct Feed(pub WebSocketStream<TcpStream>);

impl Feed {
    /// The next message of that type; others before it are left out.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        let told = async {
            loop {
                let frame = self.0.next().await.expect("an open feed").expect("a frame");
                let Ok(text) = frame.to_text() else { continue };
                let message: Value = serde_json::from_str(text).unwrap_or_default();
                if message["type"] == kind {
                    return message;
                }
            }
        };
        tokio::time::timeout(LIMIT, told).await.unwrap_or_else(|_| panic!("no {kind} in time"))
    }
}

/// The cookie that an answer sets.
pub fn cookie(answer: &reqwest::Response) -> String {
    let set = answer.headers().get("set-cookie").unwrap_or_else(|| panic!("a cookie: {answer:?}"));
    set.to_str().expect("text").split(';').next().expect("a pair").to_owned()
}

impl Server {
    /// Starts a server on an empty folder; everybody on this machine is its administrator.
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// The same, with `settings` of the test's own.
    pub async fn start_with(name: &str, settings: &[(&'static str, &str)]) -> Self {
        let mut server = Self::prepare(name, settings);
        server.run().await;
        server
    }

    /// The same before its process is started.
    pub fn prepare(name: &str, settings: &[(&'static str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = std::env::temp_dir().join(format!("streamspace-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).redirect(Policy::none());
        Self {
            folder,
            port: free_port(),
            management: free_port(),
            child: None,
            http: http.build().expect("a client"),
            settings: settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            program: env!("CARGO_BIN_EXE_streamspace").into(),
            cookie: None,
        }
    }

    /// Starts the process and waits until it answers.
    pub async fn run(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let errors = log.try_clone().expect("a second handle");
        let child = Command::new(&self.program)
            .arg("serve")
            .env("AUTH_MODE", "none")
            .env("DATA_DIR", self.folder.join("data"))
            .env("RUN_DIR", self.folder.join("run"))
            .env("API_PORT", self.port.to_string())
            .env("MANAGEMENT_PORT", self.management.to_string())
            .env("RATE_LIMIT_ADDRESS", "0")
            .env("RATE_LIMIT_USER", "0")
            .env("LOG_LEVEL", "warn,streamspace=info,streamspace::access=warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .expect("the server's process");
        self.child = Some(child);
        until("the server answers", async || {
            let gone = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(gone.is_none(), "the server ended: {}", self.log());
            // Where every process answers, whatever its roles are.
            let asked = self.http.get(format!("http://127.0.0.1:{}/ready", self.management)).send().await;
            asked.ok().filter(|answer| answer.status() == 200).map(drop)
        })
        .await;
    }

    /// What the server said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The one-time link that the server printed.
    pub async fn link(&self) -> String {
        until("the link is printed", async || {
            self.log().split_whitespace().find(|word| word.contains("/sign-in#link=")).map(str::to_owned)
        })
        .await
    }

    /// Calls as the first administrator from now on; for a server that asks who one is.
    pub async fn sign_in(&mut self) {
        let link = self.link().await;
        let token = link.split_once("#link=").expect("a link").1;
        let asked = self.request("POST", "/api/v1/auth/link").json(&json!({ "token": token }));
        self.cookie = Some(cookie(&asked.send().await.expect("an answer")));
    }

    /// The way to the platform's own pages and feeds.
    pub fn page(&self) -> Entry {
        let cookie = self.cookie.clone().unwrap_or_default();
        Entry::new(format!("localhost:{}", self.port), cookie, ([127, 0, 0, 1], self.port).into())
    }

    /// The way into a session, as a browser finds it.
    pub async fn enter(&self, session: &str) -> Entry {
        let path = format!("/api/v1/sessions/{session}/connect");
        let answer = self.call("POST", &path, None).await;
        let url = answer.body["url"].as_str().unwrap_or_else(|| panic!("a way in: {answer:?}"));
        let (host, path) = url.trim_start_matches("http://").split_once('/').expect("an address");
        // That of the gateway, which may be another process.
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(self.port);
        let asked = self.http.get(format!("http://127.0.0.1:{port}/{path}")).header("host", host);
        let answer = asked.send().await.expect("an answer");
        Entry::new(host, cookie(&answer), ([127, 0, 0, 1], port).into())
    }

    /// Ends the process without a word of warning, as a crash does.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("a running server");
        Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("a child").is_some())
    }

    /// Takes note of an end that was brought about from elsewhere.
    pub fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().expect("an end");
        }
    }

    /// Asks the process to end, as Ctrl-C does, and waits.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Asks the process to end, as a service manager does; how long it took.
    pub fn terminate(&mut self) -> Duration {
        self.end(Signal::SIGTERM)
    }

    fn end(&mut self, signal: Signal) -> Duration {
        let began = Instant::now();
        let Some(mut child) = self.child.take() else { return Duration::ZERO };
        if child.try_wait().expect("a child").is_some() {
            return Duration::ZERO;
        }
        let process =
            pidfd_open(rustix::process::Pid::from_child(&child), PidfdFlags::empty()).expect("a living process");
        kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), signal).expect("a living process");
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&LIMIT.try_into().expect("a time")));
        if ended.expect("a poll") == 0 {
            child.kill().expect("a living process");
            panic!("{signal} did not end the server within {LIMIT:?}: {}", self.log());
        }
        child.wait().expect("an end");
        began.elapsed()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let host = format!("localhost:{}", self.port);
        let request = self.http.request(method.parse().expect("a method"), url);
        let request = request.header("origin", format!("http://{host}")).header("host", host);
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    /// Calls the API; `None`: nobody answered.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<&Value>, key: Option<&str>) -> Option<Answer> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        let bytes = response.bytes().await.ok()?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Some(Answer { status, replayed, retry_after, body })
    }

    /// Calls the API of a server that is there.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.try_call(method, path, body.as_ref(), None).await.expect("an answer")
    }

    /// Makes a template of a Perl program, which listens on port 8000 and counts on standard output.
    pub async fn counter_template(&self, marker: &str) {
        let body = json!({
            "name": "counter", "displayName": "Counter", "baseImage": "none", "webapp": { "port": 8000 },
            "idleTimeout": "0s", "defaultResources": { "cpu": "1", "memory": "64Mi" },
            "local": { "command": ["/usr/bin/perl", "-MIO::Socket::INET", "-e", COUNTER, marker] },
        });
        let made = self.call("POST", "/api/v1/templates", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// Creates a session and returns its name.
    pub async fn session(&self, wish: Value) -> String {
        let made = self.call("POST", "/api/v1/sessions", Some(wish)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["metadata"]["name"].as_str().expect("a name").to_owned()
    }

    /// The session as it is now.
    pub async fn get(&self, name: &str) -> Value {
        self.call("GET", &format!("/api/v1/sessions/{name}"), None).await.body
    }

    /// Waits until the session shows that phase.
    pub async fn reaches(&self, name: &str, phase: &str) -> Value {
        let mut last = Value::Null;
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            last = self.get(name).await;
            if last["status"]["phase"] == phase {
                return last;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("{name} is not {phase}: {last:#}\n{}", self.log())
    }

    /// Waits until so many sessions show that phase, and returns them.
    pub async fn all_reach(&self, count: usize, phase: &str) -> Vec<Value> {
        let list = async |which: &str| {
            let list = self.try_call("GET", &format!("/api/v1/sessions?pageSize=500{which}"), None, None).await;
            list.and_then(|list| list.body["items"].as_array().cloned()).unwrap_or_default()
        };
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let there = list(&format!("&phase={phase}")).await;
            if there.len() == count {
                return there;
            }
            tokio::time::sleep(LOOK).await;
        }
        let others = list("").await.into_iter().filter(|one| one["status"]["phase"] != phase);
        let why: Vec<_> = others.map(|one| one["status"]["conditions"].clone()).collect();
        panic!("{count} sessions are not {phase}: {why:#?}")
    }

    /// The last line that the session's program wrote.
    pub async fn last_line(&self, name: &str) -> String {
        let answer = self.call("GET", &format!("/api/v1/sessions/{name}/logs?tail=1"), None).await;
        match answer.body {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        }
    }

    /// Deletes every session and waits until nothing is left of them.
    pub async fn delete_all(&self) {
        until("every session is gone", async || {
            let list = self.call("GET", "/api/v1/sessions?pageSize=500", None).await;
            let items = list.body["items"].as_array().cloned().unwrap_or_default();
            for session in &items {
                if session["metadata"]["deletionTimestamp"].is_null() {
                    let name = session["metadata"]["name"].as_str().expect("a name");
                    self.try_call("DELETE", &format!("/api/v1/sessions/{name}"), None, None).await;
                }
            }
            items.is_empty().then_some(())
        })
        .await;
    }

    /// Where the API and the management port listen.
    pub fn ports(&self) -> [u16; 2] {
        [self.port, self.management]
    }

    /// The folder of the sockets, the database's among them, in which each data folder has one of its own.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() && self.child.is_some() {
            // It may be frozen: a stop that fails would be a second panic, which hides the first.
            let _ = kill(self.pid(), Signal::SIGCONT);
        }
        self.stop();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
            end_sandboxes(&self.folder);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends what a failed test left running: holders lie in the data folder, and their trees end with them.
fn end_sandboxes(folder: &std::path::Path) {
    for (pid, command) in processes() {
        if command.starts_with(&*folder.to_string_lossy()) && command.contains("sandbox") {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Every process with its command line.
pub fn processes() -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&command).replace('\0', " ")))
    })
    .collect()
}

/// Pid and start time of every process whose command line ends with `marker`, sorted.
pub fn marked(marker: &str) -> Vec<(i32, u64)> {
    let mut found: Vec<(i32, u64)> = processes()
        .into_iter()
        .filter(|(_, command)| command.starts_with("/usr/bin/perl") && command.trim_end().ends_with(marker))
        .filter_map(|(pid, _)| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Field 22, counted behind the name in parentheses, which may hold spaces.
            let start = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
            Some((pid, start))
        })
        .collect();
    found.sort_unstable();
    found
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Answers HTTP on port 8000 and counts up five times a second.
const COUNTER: &str = r#"$| = 1;
my $door = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8000", Listen => 9, ReuseAddr => 1) or die;
for (my $n = 1;;) {
    my $ready = ""; vec($ready, fileno($door), 1) = 1;
    if (select($ready, undef, undef, 0.2)) {
        my $guest = $door->accept or next; sysread($guest, my $asked, 4096);
        print $guest "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $guest;
    } else { print $n++, "\n" }
}"#;
