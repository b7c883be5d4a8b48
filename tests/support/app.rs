//! The real server on a real port, with a database and a clock of its own, for one test.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use actix_web::dev::ServerHandle;
use clap::Parser;
use streamspace::{
    app::{App, Parts},
    auth::Auth,
    clock::MovableClock,
    config::{Changing, Config},
    crd::{Session, Template},
    engine::Engine,
    gateway::{self, Gateway},
    http::{
        middleware::policy::Policy,
        server::{self, Wiring},
    },
    live::Hub,
    nodes::{HostNodes, Nodes},
    objects::{Cached, ObjectStore, postgres::PostgresStore},
    services::{audit_chain, disabled, idempotency::Keys, nodes, presence::Presence, settings, shares, sockets},
    store::{self, Connector, Listener},
    telemetry::task::{self, Tasks},
};
use tokio_util::sync::CancellationToken;

use super::{client::Client, postgres::TestDatabase, program::TestEngine};

/// A running server that ends with the value.
pub struct TestApp {
    /// What it is wired to.
    pub app: App,
    /// Its clock; moved by hand.
    pub clock: Arc<MovableClock>,
    address: SocketAddr,
    server: Running,
    // Ends with the value: a group of tasks that is dropped takes its tasks along.
    _tasks: Tasks,
    database: TestDatabase,
    engine: Arc<dyn Engine>,
    gateway: Gateway,
}

impl TestApp {
    /// Starts a server of the test's own, with the default settings but without limits on how often one may ask.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with settings of the test's own, such as `--rate-limit-user=5`.
    pub async fn with(arguments: &[&str]) -> Self {
        Self::with_engine(Arc::<TestEngine>::default(), arguments).await
    }

    /// Starts a server whose sessions are run by `engine`.
    pub async fn with_engine(engine: Arc<dyn Engine>, arguments: &[&str]) -> Self {
        Self::on(TestDatabase::create().await, engine, arguments).await
    }

    /// Starts another replica on the same database.
    pub async fn twin(&self) -> Self {
        self.twin_with(&[]).await
    }

    /// The same with settings of its own.
    pub async fn twin_with(&self, arguments: &[&str]) -> Self {
        Self::on(self.database.shared(), Arc::clone(&self.engine), arguments).await
    }

    /// Ends the server as a crash would and starts another one on the same database.
    pub async fn restarted(self, arguments: &[&str]) -> Self {
        let Self { database, engine, server, _tasks: tasks, .. } = self;
        drop((server, tasks));
        Self::on(database, engine, arguments).await
    }

    async fn on(database: TestDatabase, engine: Arc<dyn Engine>, arguments: &[&str]) -> Self {
        let sockets = server::listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, "API_PORT").expect("a free port");
        let address = sockets[0].local_addr().expect("an address");
        let (clock, mut tasks) = (MovableClock::shared(), Tasks::new(CancellationToken::new()));
        let config = configuration(address, arguments);
        let (app, listener) = wire(config, clock.clone(), &database, Arc::clone(&engine), &mut tasks).await;
        settings::load(&app).await.expect("settings");
        let changes = listener.wakes(store::SETTINGS);
        tasks.start("settings", settings::follow(app.clone(), changes, tasks.stopping()));
        let policy = Arc::new(Policy::new(&app.config.http, &app.settings).expect("settings that can be used"));
        let gateway = gateway(&app, &policy, &mut tasks);
        tasks.start("live.access", sockets::follow_changes(app.clone(), tasks.stopping()));
        tasks.start("live.cluster", nodes::tell(app.clone(), tasks.stopping()));
        tasks.start("disabled-accounts", disabled::follow(app.clone(), tasks.stopping()));
        tasks.start("shares-sweep", shares::sweep(app.clone(), tasks.stopping()));
        let wiring = Wiring {
            policy,
            keys: Keys::new(app.pool.clone(), app.clock.clone(), true),
            gateway: gateway.clone(),
            stopping: CancellationToken::new(),
            app: app.clone(),
        };
        let running = server::serve(sockets, None, &wiring).expect("the server starts");
        let server = Running(running.handle());
        task::spawn("test-server", running);
        Self { app, clock, address, server, _tasks: tasks, database, engine, gateway }
    }

    /// Its settings, changed by `arguments`.
    pub fn configured(&self, arguments: &[&str]) -> Config {
        configuration(self.address, arguments)
    }

    /// How to connect to its database.
    pub fn connector(&self) -> Connector {
        self.database.connector.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who is connected to sessions.
    pub fn presence(&self) -> &Presence {
        self.gateway.presence()
    }

    /// A client that is not signed in.
    pub fn anyone(&self) -> Client {
        Client::new(self.address)
    }
}

/// Seals the test's secrets.
const SECRET_KEY: &str = "--secret-key=0123456789abcdef0123456789abcdef";

fn gateway(app: &App, policy: &Arc<Policy>, tasks: &mut Tasks) -> Gateway {
    let policy = Arc::clone(policy);
    let gateway = Gateway::new(gateway::Wiring {
        app: app.clone(),
        presence: Presence::new(tasks.stopping().child_token()),
        client_of: Box::new(move |peer, headers| policy.proxies.client(peer, headers)),
    });
    gateway::start(&gateway, tasks);
    gateway
}

async fn wire(
    config: Config,
    clock: Arc<MovableClock>,
    database: &TestDatabase,
    engine: Arc<dyn Engine>,
    tasks: &mut Tasks,
) -> (App, Listener) {
    let (pool, namespace) = (database.pool.clone(), config.sessions.namespace().to_owned());
    let auth = Auth::start(&config, Path::new("/nowhere"), pool.clone(), clock.clone()).await.expect("keys");
    auth.keep(database.connector.clone(), tasks);
    tasks.start("audit-chain", audit_chain::run(pool.clone(), clock.clone(), tasks.stopping()));
    let listener = Listener::start(database.connector.clone(), tasks);
    let sessions = PostgresStore::start(pool.clone(), &listener, &namespace, clock.clone(), tasks);
    let templates = PostgresStore::start(pool.clone(), &listener, &namespace, clock.clone(), tasks);
    let (sessions, templates): (Arc<dyn ObjectStore<Session>>, Arc<dyn ObjectStore<Template>>) =
        (Arc::new(sessions), Arc::new(templates));
    let hub = Hub::start(Arc::clone(&sessions), Arc::clone(&templates), clock.clone(), tasks);
    hub.follow_jobs(pool.clone(), &listener, tasks);
    hub.listen(&listener, tasks);
    let host = HostNodes::start(pool.clone(), Path::new("/"), clock.clone(), tasks).await.expect("the host's figures");
    let nodes: Arc<dyn Nodes> = Arc::new(host);
    let app = App::new(Parts {
        hub,
        sessions: Cached::start(sessions, tasks),
        templates: Cached::start(templates, tasks),
        engine,
        nodes,
        resources: None,
        auth,
        settings: Changing::new(&config),
        config,
        clock,
        pool,
    });
    (app, listener)
}

/// Settings for a server on `address`, changed by `arguments`.
fn configuration(address: SocketAddr, arguments: &[&str]) -> Config {
    #[derive(Parser)]
    #[command(args_override_self = true)]
    struct Arguments {
        #[command(flatten)]
        config: Config,
    }
    let port = format!("--api-port={}", address.port());
    let own = ["test", &port, SECRET_KEY, "--rate-limit-address=0", "--rate-limit-user=0", "--rate-limit-sign-in=0"];
    Arguments::parse_from(own.into_iter().chain(arguments.iter().copied())).config
}

/// Stops the server when dropped.
struct Running(ServerHandle);

impl Drop for Running {
    fn drop(&mut self) {
        // Sent at once; the future would only wait for the end.
        drop(self.0.stop(false));
    }
}
