//! `streamspace serve`: wires the parts together, runs until it is asked to end, and ends in order.

use std::{net::TcpListener, sync::Arc, time::Duration};

use futures::future::OptionFuture;
use secrecy::ExposeSecret;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    adapters::{self, Adapters, Machine},
};
use crate::{
    Error,
    app::{App, Parts},
    auth::Auth,
    clock::Clock,
    config::{Changing, Config, Role, environment},
    controller,
    gateway::{self, Gateway},
    http::{
        middleware::{access_log, policy::Policy},
        server::{self, Wiring},
    },
    jobs,
    live::Hub,
    objects::Cached,
    services::{
        self, accounts, audit_chain, catalog::builtin, disabled, idempotency::Keys, intents, presence::Presence,
        quotas, shares, sockets,
    },
    store::{
        self, Claim, Database, Listener,
        leadership::{Candidate, Leadership},
    },
    telemetry::{logs, metrics, task, task::Tasks},
};

/// How long background tasks get to end.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

/// Runs the server until a signal or the end of an essential task.
pub(super) fn run(config: Config, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, clock))
}

async fn serve(config: Config, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    logs::start(&config.logs.log_level, config.logs.log_format, Arc::clone(&clock))?;
    metrics::registry()?;
    access_log::describe();
    // What can be wrong with the settings shows before anything is started.
    let wrong: Vec<String> = config.check(&environment).iter().map(ToString::to_string).collect();
    if !wrong.is_empty() {
        return Err(wrong.join("; ").into());
    }
    let settings = Changing::new(&config);
    let policy = Arc::new(Policy::new(&config.http, &settings)?);
    let tls = server::tls(&config.http)?;
    let sockets = Sockets::bind(&config)?;
    // What can fail at once has been tried by now: from here on something has to be stopped.
    let claim = Claim::take(&config.folders)?;
    let database = store::connect(&config, &claim).await?;
    let ended =
        with_database(Given { config, settings, clock }, &claim, &database, Doors { policy, tls, sockets }).await;
    database.stop().await?;
    ended
}

/// What the server was told, what of it may change, and its clock.
struct Given {
    config: Config,
    settings: Changing,
    clock: Arc<dyn Clock>,
}

/// Where people and machines come in, and on what terms.
struct Doors {
    policy: Arc<Policy>,
    tls: Option<rustls::ServerConfig>,
    sockets: Sockets,
}

/// The addresses, taken before anything else, so that a port that is taken is the first thing said.
struct Sockets {
    /// None for a process that nobody calls.
    people: Vec<TcpListener>,
    management: Vec<TcpListener>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, server::ListenError> {
        let http = &config.http;
        let people = config.roles.has(Role::Api) || config.roles.has(Role::Gateway);
        Ok(Self {
            people: if people { server::listen(http.api_host, http.api_port, "API_PORT")? } else { vec![] },
            management: server::listen(http.api_host, http.management_port, "MANAGEMENT_PORT")?,
        })
    }
}

/// Everything that needs the database, which outlives it.
async fn with_database(given: Given, claim: &Claim, database: &Database, doors: Doors) -> Result<(), CliError> {
    store::migrate(&database.connector).await?;
    let mut tasks = Tasks::new(CancellationToken::new());
    if let Some(private) = database.private.clone() {
        let stop = tasks.stopping();
        tasks.start("private-postgres", async move { private.keep(stop).await });
    }
    let leadership = stand(&given.config, claim, database, &mut tasks)?;
    let (app, listener) = wire(given, claim, database, leadership.as_ref(), &mut tasks).await?;
    services::settings::load(&app).await?;
    let changes = listener.wakes(store::SETTINGS);
    tasks.start("settings", services::settings::follow(app.clone(), changes, tasks.stopping()));
    metrics::upkeep(metrics::registry()?, &mut tasks);
    // The claim on the data folder says that no other process serves the database in it.
    let keys = Keys::new(app.pool.clone(), Arc::clone(&app.clock), database.private.is_some());
    if app.config.roles.has(Role::Api) {
        answer(&app, &keys, &mut tasks);
    }
    let Doors { policy, tls, sockets } = doors;
    let stopping = CancellationToken::new();
    let gateway = open_gateway(&app, &policy, &stopping, &mut tasks);
    if let Some(leadership) = leadership {
        let unanswered = |error: &Error| matches!(error, Error::Database(_) | Error::Unavailable(_));
        adapters::patiently(async || builtin::bring(&app).await, unanswered).await?;
        work(&app, &listener, claim, &mut tasks)?;
        lead(&app, &listener, leadership.epoch(), &mut tasks);
    }
    let wiring = Wiring { app: app.clone(), policy, keys, gateway, stopping };
    let servers = Servers::start(sockets, tls.as_ref(), &wiring)?;
    greet(&app).await?;
    let ended = until_asked(&wiring, &mut tasks, servers).await;
    tasks.end(TASKS_END_WITHIN).await;
    ended
}

/// This process's part in the election of the controller, if it has that role.
fn stand(
    config: &Config,
    claim: &Claim,
    database: &Database,
    tasks: &mut Tasks,
) -> Result<Option<Leadership>, CliError> {
    if !config.roles.has(Role::Controller) {
        return Ok(None);
    }
    let candidate = Candidate::new(Some(claim.identity()));
    Ok(Some(Leadership::start(&database.connector, candidate, tasks)?))
}

/// What people and machines are answered by.
struct Servers {
    /// None in a process that nobody calls.
    people: Option<actix_web::dev::Server>,
    management: actix_web::dev::Server,
}

impl Servers {
    fn start(sockets: Sockets, tls: Option<&rustls::ServerConfig>, wiring: &Wiring) -> std::io::Result<Self> {
        let people = match sockets.people {
            none if none.is_empty() => None,
            people => Some(server::serve(people, tls, wiring)?),
        };
        Ok(Self { people, management: server::serve_management(sockets.management, wiring)? })
    }
}

/// The parts of the server, started.
async fn wire(
    Given { config, settings, clock }: Given,
    claim: &Claim,
    database: &Database,
    leadership: Option<&Leadership>,
    tasks: &mut Tasks,
) -> Result<(App, Listener), CliError> {
    let pool = database.pool.clone();
    let auth = Auth::start(&config, claim.data(), pool.clone(), Arc::clone(&clock)).await?;
    auth.keep(database.connector.clone(), tasks);
    let listener = Listener::start(database.connector.clone(), tasks);
    let machine = Machine { claim, pool: &pool, listener: &listener };
    let Adapters { sessions, templates, engine, nodes, resources } =
        adapters::start(&config, &clock, machine, leadership, tasks).await?;
    let hub = if config.roles.has(Role::Api) {
        let hub = Hub::start(Arc::clone(&sessions), Arc::clone(&templates), Arc::clone(&clock), tasks);
        hub.follow_jobs(pool.clone(), &listener, tasks);
        hub.listen(&listener, tasks);
        hub
    } else {
        Hub::silent(Arc::clone(&clock))
    };
    let app = App::new(Parts {
        hub,
        sessions: Cached::start(sessions, tasks),
        templates: Cached::start(templates, tasks),
        engine,
        nodes,
        resources,
        auth,
        config,
        settings,
        clock,
        pool,
    });
    Ok((app, listener))
}

/// What belongs to answering people: once in each process that does.
fn answer(app: &App, keys: &Keys, tasks: &mut Tasks) {
    tasks.start("idempotency-sweep", keys.clone().sweep(tasks.stopping()));
    tasks.start("live.access", sockets::follow_changes(app.clone(), tasks.stopping()));
    tasks.start("live.cluster", services::nodes::tell(app.clone(), tasks.stopping()));
}

/// Works on jobs, those of other servers included.
fn work(app: &App, listener: &Listener, claim: &Claim, tasks: &mut Tasks) -> Result<(), CliError> {
    let options = jobs::Options {
        workers: app.config.jobs.job_workers.into(),
        folder: Some(claim.identity()),
        ..jobs::Options::default()
    };
    let handlers = services::jobs::handlers(app, std::env::current_exe()?, claim.data());
    jobs::start(app.pool.clone(), listener, Arc::clone(&app.clock), handlers, options, tasks);
    tasks.start("catalog.schedule", services::catalog::schedule::run(app.clone(), tasks.stopping()));
    Ok(())
}

/// Starts what one server at a time does: the controller works while this one leads, the rest finds out by itself.
fn lead(app: &App, listener: &Listener, epoch: watch::Receiver<Option<i64>>, tasks: &mut Tasks) {
    tasks.start("controller", controller::run(app.clone(), epoch, listener.uses(), tasks.stopping()));
    tasks.start("audit-chain", audit_chain::run(app.pool.clone(), Arc::clone(&app.clock), tasks.stopping()));
    tasks.start("disabled-accounts", disabled::follow(app.clone(), tasks.stopping()));
    tasks.start("shares-sweep", shares::sweep(app.clone(), tasks.stopping()));
    tasks.start("intents-sweep", intents::sweep(app.clone(), tasks.stopping()));
    tasks.start("quotas-sweep", quotas::sweep(app.clone(), tasks.stopping()));
}

/// The way to apps, with what happens there by the clock.
fn open_gateway(app: &App, policy: &Arc<Policy>, stopping: &CancellationToken, tasks: &mut Tasks) -> Gateway {
    let policy = Arc::clone(policy);
    let gateway = Gateway::new(gateway::Wiring {
        app: app.clone(),
        presence: Presence::new(stopping.child_token()),
        client_of: Box::new(move |peer, headers| policy.proxies.client(peer, headers)),
    });
    let roles = &app.config.roles;
    // An API has connections too: those of its viewers, and those that it opens.
    if roles.has(Role::Gateway) || roles.has(Role::Api) {
        gateway::start(&gateway, tasks);
    }
    gateway
}

/// Says where the server is, and while nobody ever signed in how to.
async fn greet(app: &App) -> Result<(), CliError> {
    if !app.config.roles.has(Role::Api) {
        let roles: Vec<&str> = app.config.roles.words().collect();
        println!("\n  StreamSpace is ready as {}\n", roles.join(" and "));
        return Ok(());
    }
    println!("\n  StreamSpace is ready at {}", app.config.http.public_url());
    if let Some(link) = accounts::first_link(&app.auth).await? {
        let url = app.auth.link_url(&link.secret);
        println!("\n  Sign in as its first administrator, once, with this link (until {}):", link.expires_at);
        println!("\n    {}", url.expose_secret());
    }
    println!("\n  Ctrl-C stops the server; sessions go on running.\n");
    Ok(())
}

/// Serves until somebody asks the server to stop or a part of it dies; then lets requests in flight finish.
async fn until_asked(
    wiring: &Wiring,
    tasks: &mut Tasks,
    Servers { people, management }: Servers,
) -> Result<(), CliError> {
    let handles = (people.as_ref().map(actix_web::dev::Server::handle), management.handle());
    let mut people = OptionFuture::from(people.map(|people| task::spawn("http", people)));
    let mut management = task::spawn("http-management", management);
    let mut signals = Signals::listen()?;
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        died = tasks.failure() => Err(died.into()),
        Some(_) = &mut people => Err("the HTTP server ended by itself".into()),
        _ = &mut management => Err("the management server ended by itself".into()),
    };
    wiring.stopping.cancel();
    tracing::info!("stopping: sessions go on running");
    let (people, management) = handles;
    let stopped = async {
        // The browsers take their leave first: the server waits for every connection that is left.
        wiring.app.hub.shutdown().await;
        if let Some(people) = people {
            people.stop(true).await;
        }
        // To the end, so that probes can see that the server is not ready.
        management.stop(true).await;
    };
    tokio::select! {
        () = stopped => {}
        // Who asks twice does not want to wait.
        () = signals.next() => {}
    }
    ended
}

/// What asks the server to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
