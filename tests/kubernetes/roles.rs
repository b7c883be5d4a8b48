//! Processes of one role each: together they are the platform, and each can go without what it has no part in.

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    cluster::Place,
    helm::Rights,
    images,
    platform::PAGE,
    postgres::{self, Postgres},
    server::{Entry, LIMIT, Server},
};

/// What servers that are one platform share: a database, and the namespace of their sessions.
pub struct Together {
    pub place: Place,
    postgres: Postgres,
}

impl Together {
    pub async fn make() -> Self {
        let (place, postgres) = (Place::make().await, Postgres::start());
        postgres.database("streamspace").await;
        Self { place, postgres }
    }

    /// A connection to what they know.
    pub async fn database(&self) -> tokio_postgres::Client {
        postgres::connect(&self.postgres.connector("streamspace")).await
    }

    /// Starts one of them, as who that file says.
    pub async fn server(&self, name: &str, rights: &NamedTempFile, more: &[(&'static str, &str)]) -> Server {
        let mut server = self.prepare(name, rights, more);
        server.run().await;
        server
    }

    /// The same before its process is started.
    pub fn prepare(&self, name: &str, rights: &NamedTempFile, more: &[(&'static str, &str)]) -> Server {
        let (kubeconfig, database) =
            (rights.path().display().to_string(), self.postgres.folder().display().to_string());
        let shared = [
            ("ENGINE", "kubernetes"),
            ("KUBECONFIG", &*kubeconfig),
            ("NAMESPACE", &self.place.namespace),
            ("USER_PV_SIZE", "64Mi"),
            ("DB_HOST", &database),
            ("DB_USER", "postgres"),
            ("DB_NAME", "streamspace"),
            ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ];
        Server::prepare(name, &[&shared, more].concat())
    }
}

/// A server of each role, with the rights that the chart gives it, on one database.
struct Split {
    gateway: Server,
    api: Server,
    controller: Server,
    together: Together,
    _rights: [NamedTempFile; 3],
}

impl Split {
    async fn start(name: &str) -> Self {
        let together = Together::make().await;
        let given = Rights::of_chart(&together.place, &["split.enabled=true"]);
        let rights = ["gateway", "api", "controller"].map(|role| given.kubeconfig(role));
        let start = async |role: &str, rights: &NamedTempFile, apps: &str| {
            together.server(&format!("{name}-{role}"), rights, &[("ROLE", role), ("APPS_DOMAIN", apps)]).await
        };
        let gateway = start("gateway", &rights[0], "localhost").await;
        let apps = format!("localhost:{}", gateway.ports()[0]);
        let api = start("api", &rights[1], &apps).await;
        let controller = start("controller", &rights[2], &apps).await;
        together.place.kubectl_with(&["apply", "--filename", "-"], PAGE);
        Self { gateway, api, controller, together, _rights: rights }
    }
}

/// Somebody's terminal, over a WebSocket through a gateway.
pub struct Terminal(WebSocketStream<TcpStream>);

impl Terminal {
    pub async fn open(entry: &Entry) -> Self {
        let (request, line) = entry.socket("/shell?columns=80&rows=24").await;
        Self(client_async(request, line).await.unwrap().0)
    }

    /// Has the shell add two numbers, and waits for the sum; `None` where the connection has ended.
    async fn add(&mut self, one: u32, other: u32) -> Option<()> {
        self.type_until(&format!("echo sum=$(({one}+{other}))"), &format!("sum={}", one + other)).await
    }

    /// Types a line, and waits until the screen shows `text`; `None` where the connection has ended.
    pub async fn type_until(&mut self, line: &str, text: &str) -> Option<()> {
        self.0.send(Message::Binary(format!("{line}\n").into_bytes().into())).await.ok()?;
        let mut seen = String::new();
        let heard = async {
            while let Some(Ok(message)) = self.0.next().await {
                if let Message::Binary(bytes) = message {
                    seen.push_str(&String::from_utf8_lossy(&bytes));
                }
                if seen.contains(text) {
                    return Some(());
                }
            }
            None
        };
        timeout(LIMIT, heard).await.unwrap_or_else(|_| panic!("{text} never came"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_its_part_and_leaves_the_rest_to_the_others() {
    let mut split = Split::start("kubernetes-parts").await;
    let status = async |port: u16| {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/api/v1/system")).await?;
        Ok::<_, reqwest::Error>(answer.status().as_u16())
    };
    assert_eq!(status(split.api.ports()[0]).await.unwrap(), 200);
    assert_eq!(status(split.gateway.ports()[0]).await.unwrap(), 404);
    assert!(status(split.controller.ports()[0]).await.unwrap_err().is_connect());
    // Without a controller a wish stays one, and with it comes true.
    split.controller.stop();
    let id = split.api.session(json!({ "template": "page" })).await;
    split.api.stop();
    split.api.run().await;
    assert_eq!(split.together.place.kubectl_with(&["get", "pods", "--output=name"], ""), "");
    split.controller.run().await;
    split.api.reaches(&id, "Running").await;
    let user = split.api.get(&id).await["spec"]["user"].as_str().unwrap().to_owned();
    assert!(split.api.enter(&id).await.page("/").await.contains(&format!("the page of {user}")));
    split.api.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_api_or_the_controller_ends_no_connection_through_a_gateway_of_its_own() {
    let mut split = Split::start("kubernetes-restarts").await;
    let cluster = split.together.place.cluster;
    tokio::task::spawn_blocking(|| images::bring(cluster, &["terminal"])).await.unwrap();
    let id = split.api.session(json!({ "template": "terminal" })).await;
    split.api.reaches(&id, "Running").await;
    let mut terminal = Terminal::open(&split.api.enter(&id).await).await;
    terminal.add(20, 22).await.unwrap();
    split.api.terminate();
    terminal.add(1_000, 1).await.expect("it goes on without an API");
    split.api.run().await;
    split.controller.kill();
    terminal.add(2_000, 1).await.expect("it goes on without a controller");
    split.controller.run().await;
    terminal.add(3_000, 1).await.expect("it goes on with both of them back");
    // Its gateway is the one that it cannot do without.
    split.gateway.terminate();
    assert_eq!(terminal.add(4_000, 1).await, None);
    split.gateway.run().await;
    split.api.delete_all().await;
}
