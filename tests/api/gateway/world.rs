//! A server with people, sessions, and programs of the test's own behind its gateway.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use streamspace::{
    auth::{Caller, Credential, Role},
    clock::Clock,
    crd::{Phase, Session, SessionSpec, SessionStatus, Template, WorkloadStatus},
    services::accounts::{self, NewUser},
};

use crate::support::{
    app::TestApp,
    client::Answer,
    program::{Client, Head, Program, TestEngine},
};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The program's main port, and a further one.
pub const PORT: u16 = 8080;
pub const FURTHER: u16 = 9000;

pub struct World {
    pub app: TestApp,
    pub engine: Arc<TestEngine>,
}

/// A browser in which somebody signed in.
#[derive(Clone)]
pub struct Browser {
    pub user: String,
    cookie: String,
    http: crate::support::client::Client,
    origin: String,
}

/// A browser's way into a session.
#[derive(Clone, Debug)]
pub struct Entry {
    pub host: String,
    pub cookie: String,
}

impl World {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings of the test's own.
    pub async fn with(arguments: &[&str]) -> Self {
        let engine = Arc::new(TestEngine::default());
        let app = TestApp::with_engine(engine.clone(), arguments).await;
        let world = Self { app, engine };
        world.template("web", json!({ "webapp": { "port": PORT, "path": "/start" }, "ports": [{ "name": "further", "containerPort": FURTHER }], "activity": { "ignorePaths": ["/poll/*"] } })).await;
        world
    }

    /// Adds a template.
    pub async fn template(&self, name: &str, more: Value) {
        let mut spec = json!({ "displayName": name, "baseImage": "none" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let template = Template::new(name, serde_json::from_value(spec).unwrap());
        self.app.app.templates.create(&template).await.unwrap();
    }

    /// A session of `owner` in the phase `Running`, made from the template `web`.
    pub async fn session(&self, owner: &str) -> String {
        self.session_of(owner, "web", Phase::Running).await
    }

    pub async fn session_of(&self, owner: &str, template: &str, phase: Phase) -> String {
        let name = format!("{owner}-{template}-{:08x}", rand::random::<u32>());
        self.create(&name, owner, template).await;
        self.become_(&name, phase).await;
        name
    }

    /// Creates a session of that very name.
    pub async fn create(&self, name: &str, owner: &str, template: &str) {
        let spec = SessionSpec { user: owner.into(), template: template.into(), ..SessionSpec::default() };
        self.app.app.sessions.create(&Session::new(name, spec)).await.unwrap();
    }

    /// Puts a session into a phase, as the controller would.
    pub async fn become_(&self, name: &str, phase: Phase) {
        self.status(name, |status| status.phase = phase).await;
    }

    /// Writes a session's status.
    pub async fn status(&self, name: &str, change: impl FnOnce(&mut SessionStatus)) {
        let mut session = Session::clone(&*self.app.app.sessions.get(name).await.unwrap().unwrap());
        let mut status = session.status.take().unwrap_or_else(|| SessionStatus { run: 1, ..SessionStatus::default() });
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.app.clock.now());
        status.phase_since.get_or_insert_with(|| now.clone());
        status.workload.get_or_insert_with(|| WorkloadStatus { started_at: Some(now), ..WorkloadStatus::default() });
        change(&mut status);
        session.status = Some(status);
        self.app.app.sessions.replace_status(&session, None).await.unwrap();
    }

    /// A person with an ordinary account, signed in.
    pub async fn browser(&self, user: &str) -> Browser {
        self.browser_of(user, &[Role::User]).await
    }

    pub async fn browser_of(&self, user: &str, roles: &[Role]) -> Browser {
        let admin = Caller::new("root", [Role::Admin], Credential::Console);
        let new = NewUser {
            name: user.into(),
            display_name: String::new(),
            email: None,
            roles: roles.iter().copied().collect(),
        };
        let (_, link) = accounts::create(&self.app.app.auth, &admin, new).await.unwrap();
        self.sign_in(user, link).await
    }

    /// Another browser of the same person.
    pub async fn browser_again(&self, browser: &Browser) -> Browser {
        let admin = Caller::new("root", [Role::Admin], Credential::Console);
        let link = accounts::sign_in_link(&self.app.app.auth, &admin, &browser.user).await.unwrap();
        self.sign_in(&browser.user, link).await
    }

    async fn sign_in(&self, user: &str, link: accounts::Link) -> Browser {
        let http = self.app.anyone();
        let origin = format!("http://localhost:{}", self.app.address().port());
        let secret = secrecy::ExposeSecret::expose_secret(&link.secret).to_owned();
        let signed_in = http.request("POST", "/api/v1/auth/link").header("origin", &origin);
        let answer = crate::support::client::send(signed_in.json(&json!({ "token": secret }))).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Browser { user: user.into(), cookie, http, origin }
    }

    /// Opens a connection and redeems its ticket.
    pub async fn enter(&self, browser: &Browser, session: &str) -> Entry {
        let url = browser.connect(session).await["url"].as_str().unwrap().to_owned();
        let answer = self.visit(&url).await;
        assert_eq!(answer.status(), 303, "{}", answer.text);
        Entry::of(&url, &answer)
    }

    /// A session with a program behind it, and a way in.
    pub async fn opened(&self, program: &Program) -> (Browser, String, Entry) {
        let browser = self.browser("alice").await;
        let session = self.session("alice").await;
        self.engine.lead(&session, PORT, program);
        let entry = self.enter(&browser, &session).await;
        (browser, session, entry)
    }

    /// Asks for an address as a browser that has no cookie there.
    pub async fn visit(&self, url: &str) -> Head {
        let url: url::Url = url.parse().unwrap();
        let target = &url[url::Position::BeforePath..];
        self.raw(&format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", authority(&url))).await.0
    }

    /// Sends bytes as they are; the answer with its body.
    pub async fn raw(&self, request: &str) -> (Head, Vec<u8>) {
        let mut client = self.client().await;
        client.write(request).await;
        let head = client.head().await.expect("an answer");
        let body = client.body(&head).await;
        (head, body)
    }

    /// A connection to the server.
    pub async fn client(&self) -> Client {
        Client::connect(self.app.address()).await
    }

    /// Asks a session's app.
    pub async fn get(&self, entry: &Entry, path: &str) -> (Head, String) {
        self.ask(entry, "GET", path, "").await
    }

    /// Waits until a browser is not let in any more.
    pub async fn until_refused(&self, entry: &Entry) {
        let look = async { while self.get(entry, "/").await.0.status() != 403 {} };
        tokio::time::timeout(PATIENCE, look).await.expect("it is refused");
    }

    /// Asks a session's app with further headers, each ended by CR LF.
    pub async fn ask(&self, entry: &Entry, method: &str, path: &str, headers: &str) -> (Head, String) {
        let (head, body) = self.raw(&entry.request(method, path, headers)).await;
        (head, String::from_utf8(body).unwrap())
    }
}

pub fn authority(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

impl Entry {
    /// The way in that the answer to a redeemed ticket gives.
    pub fn of(url: &str, answer: &Head) -> Self {
        let cookie = answer.one("set-cookie").split(';').next().unwrap().to_owned();
        Self { host: authority(&url.parse().unwrap()), cookie }
    }

    /// A request as it stands on the wire, without a body.
    pub fn request(&self, method: &str, path: &str, headers: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n{headers}\r\n", self.host, self.cookie)
    }

    /// The session's own origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.host)
    }
}

impl Browser {
    /// Calls the API.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.http.request(method, path).header("cookie", &self.cookie).header("origin", &self.origin);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        crate::support::client::send(request).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Opens a connection to a session.
    pub async fn connect(&self, session: &str) -> Value {
        let answer = self.call("POST", &format!("/api/v1/sessions/{session}/connect"), None).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.json()
    }

    /// The cookie of the dashboard.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The dashboard's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What is known of a session's use.
    pub async fn activity(&self, session: &str) -> Value {
        let all = self.get("/api/v1/activity").await.json();
        let items = all["items"].as_array().unwrap();
        items.iter().find(|item| item["session"] == session).cloned().unwrap_or_default()
    }

    /// Waits until a session's use is as it should be.
    pub async fn activity_until(&self, session: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            loop {
                let item = self.activity(session).await;
                if holds(&item) {
                    return item;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| panic!("the use of {session} never came to be so"))
    }
}
