//! `streamspace serve`: wires the parts together, runs until it is asked to end, and ends in order.

use std::{net::TcpListener, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::CliError;
use crate::{
    clock::Clock,
    config::Config,
    http::{middleware::policy::Policy, server},
    store::{self, Claim, Database},
    telemetry::{logs, metrics, task::Tasks},
};

/// How long background tasks get to end.
const TASKS_END_WITHIN: Duration = Duration::from_secs(8);

/// Runs the server until a signal or the end of an essential task.
pub(super) fn run(config: Config, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, clock))
}

async fn serve(config: Config, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    logs::start(&config.logs.log_level, config.logs.log_format, clock)?;
    let policy = Policy::new(&config.http)?;
    let tls = server::tls(&config.http)?;
    let sockets = server::listen(config.http.api_host, config.http.api_port, "API_PORT")?;
    // What can fail at once has been tried by now: from here on something has to be stopped.
    let claim = Claim::take(&config.folders)?;
    let database = store::connect(&config, &claim).await?;
    let ended = with_database(&config, &database, sockets, tls, policy).await;
    database.stop().await?;
    ended
}

/// Everything that needs the database, which outlives it.
async fn with_database(
    config: &Config,
    database: &Database,
    sockets: Vec<TcpListener>,
    tls: Option<rustls::ServerConfig>,
    policy: Policy,
) -> Result<(), CliError> {
    store::migrate(&database.connector).await?;
    let mut tasks = Tasks::new(CancellationToken::new());
    if let Some(private) = database.private.clone() {
        let stop = tasks.stopping();
        tasks.start("private-postgres", async move { private.keep(stop).await });
    }
    metrics::upkeep(metrics::registry()?, &mut tasks);
    let http = server::serve(sockets, tls, policy)?;
    let handle = http.handle();
    let mut http = std::pin::pin!(http);
    println!("StreamSpace is ready at {}", config.http.public_url());
    let ended = tokio::select! {
        result = &mut http => result.map_err(CliError::from),
        died = tasks.failure() => Err(died.into()),
        result = asked_to_stop() => result.map_err(CliError::from),
    };
    // The future has to be polled for the stop to go on.
    let ((), _) = tokio::join!(handle.stop(true), http);
    tasks.end(TASKS_END_WITHIN).await;
    ended
}

/// Returns on SIGINT and SIGTERM.
async fn asked_to_stop() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
