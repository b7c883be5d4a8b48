//! The adapters of the ports, by the engine that is asked for.

use std::{fmt, sync::Arc, time::Duration};

use kube::{Client, core::Selector};
use tokio::time::{Instant, sleep};

use super::CliError;
use crate::{
    clock::Clock,
    config::{Config, EngineKind, Role},
    crd::{Session, Template},
    engine::{
        Engine,
        kubernetes::{self, KubernetesEngine},
        local::{self, LocalEngine},
    },
    nodes::{HostNodes, KubernetesNodes, Nodes},
    objects::{KubernetesStore, ObjectError, ObjectStore, PostgresStore, Resources},
    store::{Claim, Listener, Pool, leadership::Leadership},
    telemetry::task::Tasks,
};

/// How long it is tried to begin while nobody answers, and how often.
const BEGIN_WITHIN: Duration = Duration::from_mins(1);
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

/// Where objects are kept, what runs the programs, and on which machines.
pub(super) struct Adapters {
    pub(super) sessions: Arc<dyn ObjectStore<Session>>,
    pub(super) templates: Arc<dyn ObjectStore<Template>>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) nodes: Arc<dyn Nodes>,
    pub(super) resources: Option<Resources>,
}

/// What the adapters of one machine are made from.
pub(super) struct Machine<'a> {
    pub(super) claim: &'a Claim,
    pub(super) pool: &'a Pool,
    pub(super) listener: &'a Listener,
}

/// The adapters that the settings ask for, started. `leadership`: this process's part in the election, if it has one.
pub(super) async fn start(
    config: &Config,
    clock: &Arc<dyn Clock>,
    machine: Machine<'_>,
    leadership: Option<&Leadership>,
    tasks: &mut Tasks,
) -> Result<Adapters, CliError> {
    match config.engine.kind() {
        EngineKind::Local => on_this_machine(config, clock, machine, tasks).await,
        EngineKind::Kubernetes => in_a_cluster(config, clock, leadership, tasks).await,
    }
}

async fn on_this_machine(
    config: &Config,
    clock: &Arc<dyn Clock>,
    machine: Machine<'_>,
    tasks: &mut Tasks,
) -> Result<Adapters, CliError> {
    let Machine { claim, pool, listener } = machine;
    let options = local::Options {
        uid_base: config.sessions.session_uid_base,
        home_limit_bytes: config.sessions.user_pv_size,
        port_deadline: config.sessions.session_start_timeout,
        refused_networks: config.sessions.session_refused_networks.clone(),
        ..local::Options::new(claim.data(), claim.run())
    };
    let namespace = config.sessions.namespace();
    Ok(Adapters {
        sessions: Arc::new(PostgresStore::start(pool.clone(), listener, namespace, Arc::clone(clock), tasks)),
        templates: Arc::new(PostgresStore::start(pool.clone(), listener, namespace, Arc::clone(clock), tasks)),
        engine: LocalEngine::start(options, Arc::clone(clock), tasks).await?,
        nodes: Arc::new(HostNodes::start(pool.clone(), claim.data(), Arc::clone(clock), tasks).await?),
        resources: None,
    })
}

async fn in_a_cluster(
    config: &Config,
    clock: &Arc<dyn Clock>,
    leadership: Option<&Leadership>,
    tasks: &mut Tasks,
) -> Result<Adapters, CliError> {
    let found = kube::Config::infer().await;
    let found = found.map_err(|error| format!("no cluster is named by KUBECONFIG, nor is this inside one: {error}"))?;
    // A budget without room is an answer, not a reason to wait and ask again unseen.
    let mut at_once = found.clone();
    at_once.default_retry = false;
    let (client, at_once) = (Client::try_from(found)?, Client::try_from(at_once)?);
    let namespace = config.sessions.namespace();
    let sessions = KubernetesStore::new(client.clone(), namespace, Arc::clone(clock), leadership.cloned());
    let templates = KubernetesStore::new(client.clone(), namespace, Arc::clone(clock), leadership.cloned());
    defined::<Session>(&sessions).await?;
    defined::<Template>(&templates).await?;
    let shown = config.cluster.namespaces(namespace);
    let resources = Resources::new(at_once.clone(), shown.clone(), config.cluster.cluster_kinds.clone());
    let options = kubernetes::Options {
        also_readable: shown,
        home_bytes: config.sessions.user_pv_size,
        storage_class: config.sessions.default_storage_class.clone(),
        port_deadline: config.sessions.session_start_timeout,
        ..kubernetes::Options::new(namespace)
    };
    let looks_at_nodes = config.roles.has(Role::Api) || config.roles.has(Role::Controller);
    let nodes = Arc::new(if looks_at_nodes {
        KubernetesNodes::start(&at_once, namespace, tasks)
    } else {
        KubernetesNodes::unseen(&at_once, namespace)
    });
    let engine = KubernetesEngine::start(client, options, Arc::clone(clock), tasks).await?;
    Ok(Adapters {
        sessions: Arc::new(sessions),
        templates: Arc::new(templates),
        engine,
        nodes,
        resources: Some(resources),
    })
}

/// Does what a server begins with; again while `unanswered` says of a failure that it may pass, within a minute.
pub(super) async fn patiently<T, E: fmt::Display>(
    mut begin: impl AsyncFnMut() -> Result<T, E>,
    unanswered: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let ends = Instant::now() + BEGIN_WITHIN;
    loop {
        match begin().await {
            Err(error) if unanswered(&error) && Instant::now() < ends => {
                tracing::warn!(error = %error, "cannot begin yet: trying again");
                sleep(BEGIN_AGAIN).await;
            }
            done => return done,
        }
    }
}

/// Fails where the cluster does not know such objects, and says how it comes to.
async fn defined<K: crate::objects::Object>(store: &KubernetesStore<K>) -> Result<(), CliError> {
    let unanswered = |error: &ObjectError| matches!(error, ObjectError::Unavailable(_));
    match patiently(async || store.list(&Selector::default()).await, unanswered).await {
        Ok(_) => Ok(()),
        Err(ObjectError::NotFound { kind, .. }) => {
            Err(format!("the cluster does not know what a {kind} is: streamspace crds | kubectl apply -f -").into())
        }
        Err(error) => Err(error.into()),
    }
}
