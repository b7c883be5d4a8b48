//! The chart installed by helm: what it brings up serves people, and goes on serving them while it is upgraded.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::StreamExt;
use kube::{Api, api::PostParams};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use streamspace::crd::{DesiredState, Session, SessionSpec};
use tokio::time::{interval, timeout};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::{
    cluster::{Cluster, Place},
    helm::{RELEASE, chart, helm, values, word},
    images,
    roles::Terminal,
    server::{Entry, LIMIT, cookie},
};

/// A release on the tests' cluster, and the way to it.
struct Release {
    place: Place,
    namespace: String,
    http: reqwest::Client,
    port: String,
    cookie: String,
}

/// The name that people would type.
const HOST: &str = "streamspace.test";
/// A pause between two looks at what takes its time.
const PAUSE: Duration = Duration::from_millis(200);
/// Requests of a client that never rests, each on a connection of its own.
const ASKED_EVERY: Duration = Duration::from_millis(50);
/// Changes that a page has to hear of.
const CHANGED_EVERY: Duration = Duration::from_millis(500);
/// With what servers end a connection because they go.
const GOING_AWAY: u16 = 1001;

impl Release {
    /// Installs the chart as the guide says, and signs in by the link that it tells of.
    async fn install() -> Self {
        let place = Place::make().await;
        let namespace = format!("{}-system", place.namespace);
        let kubectl = |arguments: &[&str]| place.cluster.kubectl(&[&["--namespace", &namespace], arguments].concat());
        kubectl(&["create", "namespace", &namespace]);
        // All that the chart starts is within the strictest level.
        kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"]);
        let keys =
            ["--from-literal=secret-key=0123456789abcdef0123456789abcdef", "--from-literal=postgresql-password=p"];
        kubectl(&["create", "secret", "generic", "streamspace", keys[0], keys[1]]);
        let mut release = Self {
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
            port: String::new(),
            cookie: String::new(),
            namespace,
            place,
        };
        release.helm("install", &[]).unwrap_or_else(|error| panic!("{error}\n{}", release.state()));
        let service = format!("service/{RELEASE}-server");
        release.port = release.kubectl(&["get", &service, "--output=jsonpath={.spec.ports[0].nodePort}"]);
        release.sign_in().await;
        release
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.place.cluster.kubectl(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// What a person would look at where it does not start.
    fn state(&self) -> String {
        let all = self.kubectl(&["get", "pods,events", "--output=wide"]);
        let selector = format!("--selector=app.kubernetes.io/instance={RELEASE}");
        all + &self.kubectl(&["logs", &selector, "--prefix", "--tail=20", "--ignore-errors"])
    }

    /// Installs or upgrades, and waits until it stands.
    fn helm(&self, verb: &str, more: &[&str]) -> Result<String, String> {
        let sessions = format!("sessions.namespace={}", self.place.namespace);
        let own = [
            "publicUrl=http://streamspace.test",
            "appsDomain=apps.test",
            "postgresql.enabled=true",
            "sessions.createNamespace=false",
            "sessions.homeSize=64Mi",
            "service.type=NodePort",
            "settings.ALLOW_PLAIN_HTTP=true",
            &sessions,
        ];
        let (chart, values) = (chart(), values(&[&own, more].concat()));
        let mut arguments = vec![
            verb,
            RELEASE,
            &chart,
            "--namespace",
            &self.namespace,
            "--wait",
            "--timeout",
            "4m",
            "--take-ownership",
        ];
        arguments.extend(values.iter().map(String::as_str));
        helm(Some(&self.place), &arguments)
    }

    /// Upgrades to two replicas and another setting; returns when nothing is left of the server that was there.
    fn upgrade(&self) {
        let server = "--selector=app.kubernetes.io/component=server";
        let before = self.kubectl(&["get", "pods", server, "--output=name"]);
        let done = self.helm("upgrade", &["replicas=2", "settings.DEFAULT_IDLE_TIMEOUT=2h"]);
        done.unwrap_or_else(|error| panic!("{error}\n{}", self.state()));
        self.kubectl(&["wait", "--for=delete", before.trim(), "--timeout=60s"]);
    }

    /// What the chart itself offers for finding out whether it works.
    fn helm_test(&self) {
        let said = helm(Some(&self.place), &["test", RELEASE, "--namespace", &self.namespace, "--timeout", "2m"]);
        assert!(said.as_ref().is_ok_and(|said| said.contains("Succeeded")), "{said:?}\n{}", self.state());
    }

    /// Where every node takes what is for the service.
    fn address(&self) -> SocketAddr {
        format!("{}:{}", self.place.cluster.address(), self.port).parse().unwrap()
    }

    fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address());
        let request = self.http.request(method.parse().unwrap(), url).header("host", HOST);
        request.header("origin", format!("http://{HOST}")).header("cookie", &self.cookie)
    }

    /// What a request that has to succeed is answered.
    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(method, path).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn sign_in(&mut self) {
        let log = self.kubectl(&["logs", "deployment/streamspace-server"]);
        let link = log.split_whitespace().find_map(|word| Some(word.split_once("/sign-in#link=")?.1));
        let token = link.unwrap_or_else(|| panic!("no link in {log}"));
        let answer = self.ask("POST", "/api/v1/auth/link").json(&json!({ "token": token })).send().await.unwrap();
        self.cookie = cookie(&answer);
    }

    /// The way into a session, as a browser finds it.
    async fn enter(&self, session: &str) -> Entry {
        let made = self.call("POST", &format!("/api/v1/sessions/{session}/connect"), json!({})).await;
        let url = word(&made["url"]);
        let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
        let asked = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        let asked = asked.get(format!("http://{}/{path}", self.address())).header("host", host);
        Entry::new(host, cookie(&asked.send().await.unwrap()), self.address())
    }

    /// A session that runs.
    async fn running(&self, template: &str) -> String {
        let made = self.call("POST", "/api/v1/sessions", json!({ "template": template })).await;
        let id = word(&made["metadata"]["name"]);
        let mut last = Value::Null;
        let runs = async {
            while last["status"]["phase"] != "Running" {
                last = self.call("GET", &format!("/api/v1/sessions/{id}"), json!({})).await;
                tokio::time::sleep(PAUSE).await;
            }
        };
        let runs = timeout(LIMIT, runs).await;
        assert!(
            runs.is_ok(),
            "{last:#}\n{}\n{}",
            self.place.kubectl_with(&["get", "pods,pvc,events"], ""),
            self.state()
        );
        id
    }

    /// Deletes every session, and uninstalls; what people's work hangs on stays.
    async fn leave(&self, page: &mut Page, door: &Entry) {
        self.place.kubectl_with(&["delete", "sessions", "--all", "--wait=false"], "");
        page.follow(door, |page| page.there.is_empty()).await;
        helm(Some(&self.place), &["uninstall", RELEASE, "--namespace", &self.namespace, "--wait"]).unwrap();
        assert_eq!(self.kubectl(&["get", "deployments,statefulsets,services", "--output=name"]), "");
        assert!(self.place.kubectl_with(&["get", "templates", "--output=name"], "").contains("/terminal"));
    }

    /// Whether a request is answered as it should be.
    async fn answers(&self) -> Result<(), String> {
        let answer = self.ask("GET", "/api/v1/sessions").send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| format!("{error:?}"))?;
        if status == 200 { Ok(()) } else { Err(format!("{status}: {body}")) }
    }
}

/// A page that follows sessions, and comes back with its cursor whenever its connection ends.
#[derive(Default)]
struct Page {
    cursor: String,
    /// The sessions that there are, and all that there ever were.
    there: BTreeSet<String>,
    ever: BTreeSet<String>,
    /// How each of its connections was ended.
    ends: Vec<u16>,
}

impl Page {
    /// Follows until it knows `enough`; looked at after each message.
    async fn follow(&mut self, entry: &Entry, enough: impl Fn(&Self) -> bool) {
        loop {
            let path = format!("/api/v1/ws/events?topics=sessions&cursor={}", self.cursor);
            let (request, line) = entry.socket(&path).await;
            let (mut socket, _) = client_async(request, line).await.unwrap();
            let end = loop {
                match timeout(LIMIT, socket.next()).await.expect("a frame in time") {
                    Some(Ok(Message::Text(text))) => self.take(&serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(Some(frame)))) => break frame.code.into(),
                    Some(Ok(_)) => {}
                    end => panic!("{end:?} instead of a word"),
                }
                if enough(self) {
                    return;
                }
            };
            self.ends.push(end);
        }
    }

    fn take(&mut self, message: &Value) {
        let name = |session: &Value| word(&session["metadata"]["name"]);
        let about = name(&message["session"]);
        match message["type"].as_str().unwrap() {
            "snapshot" if message["resumed"] == true => {}
            "snapshot" => self.there = message["items"].as_array().unwrap().iter().map(name).collect(),
            "session.created" | "session.updated" => drop(self.there.insert(about)),
            "session.deleted" => assert!(self.there.remove(&about), "{about} goes a second time"),
            _ => {}
        }
        self.ever.extend(self.there.iter().cloned());
        if let Some(cursor) = message["cursor"].as_str() {
            cursor.clone_into(&mut self.cursor);
        }
    }
}

/// Asks again and again; how often.
async fn ask(release: &Release, over: &AtomicBool) -> u32 {
    let (mut ticks, mut asked) = (interval(ASKED_EVERY), 0);
    while !over.load(SeqCst) {
        ticks.tick().await;
        assert_eq!(release.answers().await, Ok(()), "after {asked} requests");
        asked += 1;
    }
    asked
}

/// Works in one shell, through one connection after the other; how many there were.
async fn work(entry: &Entry, over: &AtomicBool) -> u32 {
    let (mut terminal, mut connections, mut done) = (Terminal::open(entry).await, 1, 0);
    terminal.type_until("kept=1000000", "").await.unwrap();
    while !over.load(SeqCst) {
        done += 1;
        let sum = format!("sum={}", 1_000_000 + done);
        if terminal.type_until(&format!("echo sum=$((kept+{done}))"), &sum).await.is_none() {
            terminal = Terminal::open(entry).await;
            connections += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
    connections
}

/// Makes sessions that sleep, as somebody with kubectl does; their names.
async fn make(sessions: &Api<Session>, user: &str, over: &AtomicBool) -> BTreeSet<String> {
    let (mut ticks, mut names) = (interval(CHANGED_EVERY), BTreeSet::new());
    loop {
        // Also one when all is over, so that the page hears of something then.
        let last = over.load(SeqCst);
        let name = format!("by-hand-{}", names.len());
        let spec = SessionSpec {
            user: user.to_owned(),
            template: "terminal".into(),
            state: DesiredState::Hibernated,
            ..SessionSpec::default()
        };
        sessions.create(&PostParams::default(), &Session::new(&name, spec)).await.unwrap();
        names.insert(name);
        if last {
            return names;
        }
        ticks.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_chart_installs_serves_people_also_while_it_is_upgraded() {
    let brought = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::shared();
        images::bring(cluster, &["server", "postgresql", "terminal"]);
        cluster.is_own()
    });
    if !brought.await.unwrap() {
        return;
    }
    let release = Arc::new(Release::install().await);
    release.helm_test();
    let id = release.running("terminal").await;
    let shell = release.enter(&id).await;
    let user = word(&release.call("GET", "/api/v1/users/me", json!({})).await["name"]);
    let sessions: Api<Session> = Api::namespaced(release.place.client.clone(), &release.place.namespace);
    let (door, mut page) = (Entry::new(HOST, &release.cookie, release.address()), Page::default());

    let over = AtomicBool::new(false);
    let upgrade = async {
        let upgrading = Arc::clone(&release);
        tokio::task::spawn_blocking(move || upgrading.upgrade()).await.unwrap();
        over.store(true, SeqCst);
    };
    let ((), asked, shells, made, ()) = tokio::join!(
        upgrade,
        ask(&release, &over),
        work(&shell, &over),
        make(&sessions, &user, &over),
        page.follow(&door, |_| over.load(SeqCst)),
    );
    assert!(asked > 20 && made.len() > 2, "{asked}, {}", made.len());
    page.follow(&door, |page| page.ever.is_superset(&made)).await;
    assert_eq!(page.there, made.iter().cloned().chain([id.clone()]).collect());
    // Only by the server that went, and with a word.
    assert!(page.ends.iter().all(|code| *code == GOING_AWAY) && !page.ends.is_empty(), "{:?}", page.ends);
    assert!(shells > 1, "{shells}");
    let ready = ["get", "deployment", "streamspace-server", "--output=jsonpath={.status.readyReplicas}"];
    assert_eq!(release.kubectl(&ready), "2");
    let system = release.call("GET", "/api/v1/system", json!({})).await;
    assert_eq!(system["limits"]["idleTimeout"]["default"], "2h");
    let session = release.call("GET", &format!("/api/v1/sessions/{id}"), json!({})).await;
    assert_eq!((&session["status"]["phase"], &session["status"]["run"]), (&json!("Running"), &json!(1)));
    release.leave(&mut page, &door).await;
}
