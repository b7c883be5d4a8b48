//! What feeds the controllers: the stores' watches, the engine's events, a moved clock.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt,
    stream::{BoxStream, FuturesUnordered, select},
};
use kube::{
    ResourceExt,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt,
        controller::{Action, Config},
        predicates, reflector,
        reflector::ObjectRef,
    },
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::sleep,
};
use tokio_stream::wrappers::{UnboundedReceiverStream, WatchStream};
use tokio_util::sync::CancellationToken;

use super::{Context, ReconcileError, budgets, lock, session, template};
use crate::{
    App,
    crd::{Session, Template},
    engine::{SessionId, Stage, WorkloadEvent},
    objects::{Epoch, ObjectError, ObjectStore},
};

/// Reconciliations of sessions under way at once: fewer than the pool has connections, so that requests find one too.
const CONCURRENCY: u16 = 8;

/// A step of a start is written into the status once it has lasted this long: one that is over sooner costs no write.
const STEP_SHOWN_AFTER: Duration = Duration::from_millis(50);

/// Runs the controllers until `stop`, whenever `epoch` says that this process leads.
///
/// `uses`: names of sessions whose idle deadline, or the reason for it, may be another now; an empty one stands for all.
pub async fn run(
    app: App,
    mut epoch: watch::Receiver<Option<i64>>,
    uses: broadcast::Receiver<String>,
    stop: CancellationToken,
) {
    loop {
        let led = tokio::select! {
            () = stop.cancelled() => return,
            led = epoch.wait_for(Option::is_some) => led.ok().and_then(|led| *led),
        };
        let Some(led) = led else { return };
        tracing::info!(leader.epoch = led, "leading");
        let deposed = async {
            // An error means that nobody will ever lead again: the election has ended with the server.
            let _ = epoch.wait_for(|now| *now != Some(led)).await;
        };
        tokio::select! {
            () = lead(app.clone(), Epoch(led), uses.resubscribe(), stop.clone()) => return,
            () = deposed => tracing::warn!(leader.epoch = led, "no longer leading"),
        }
    }
}

/// Runs the controllers until `stop`, under one epoch.
async fn lead(app: App, epoch: Epoch, uses: broadcast::Receiver<String>, stop: CancellationToken) {
    let (sessions, session_events) = mirrored(app.sessions.store().as_ref());
    let (templates, template_events) = mirrored(app.templates.store().as_ref());
    let context = Arc::new(Context {
        sessions: sessions.clone(),
        templates: templates.clone(),
        epoch,
        workloads: Mutex::default(),
        written: Mutex::default(),
        warned: Mutex::default(),
        admitted: Mutex::default(),
        budgets: Mutex::default(),
        app,
    });
    let (called, calls) = mpsc::unbounded_channel();
    let (synced, engine_in_step) = oneshot::channel();
    let follow = follow_engine(context.clone(), called.clone(), synced);
    let spent = budgets::follow(context.clone(), called.clone());
    let used = follow_uses(context.clone(), called.clone(), uses);
    let templates_run = run_templates(&context, templates, template_events, called, stop.clone());
    let sessions_run = async {
        // Nothing is decided before it is known what runs and what there is: a session would be started twice.
        let known = async { (engine_in_step.await.is_ok(), context.templates.wait_until_ready().await.is_ok()) };
        tokio::select! {
            known = known => if known == (true, true) {
                run_sessions(&context, sessions, session_events, calls, stop.clone()).await;
            },
            () = stop.cancelled() => {}
        }
    };
    tokio::select! {
        () = follow => {}
        () = used => {}
        () = spent => {}
        ((), ()) = async { tokio::join!(templates_run, sessions_run) } => {}
    }
}

/// A store's watch as a mirror in memory and the stream that fills it.
fn mirrored<K: crate::objects::Object>(
    store: &dyn ObjectStore<K>,
) -> (reflector::Store<K>, BoxStream<'static, Result<K, kube::runtime::watcher::Error>>) {
    let (reader, writer) = reflector::store();
    let events = store.watch().map(Ok).reflect(writer).touched_objects();
    (reader, events.boxed())
}

async fn run_sessions(
    context: &Arc<Context>,
    reader: reflector::Store<Session>,
    events: impl Stream<Item = Result<Session, kube::runtime::watcher::Error>> + Send + 'static,
    calls: mpsc::UnboundedReceiver<ObjectRef<Session>>,
    stop: CancellationToken,
) {
    // The controller's own status writes change none of these.
    let wanted =
        predicates::generation.combine(predicates::annotations).combine(predicates::finalizers).combine(leaving);
    let events = events.predicate_filter(wanted, PredicateConfig::default());
    let moved = WatchStream::from_changes(context.app.clock.moved()).map(drop);
    // Those that wait for it start when sessions can be started again.
    let opened = WatchStream::from_changes(context.app.nodes.closed()).map(drop);
    Controller::for_stream(events, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(UnboundedReceiverStream::new(calls))
        .reconcile_all_on(select(moved, opened))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(session::reconcile, |session, error, _| after_failure(&session.name_any(), error), context.clone())
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Tells an object that is being deleted from one that is not.
#[allow(clippy::unnecessary_wraps, reason = "the shape of a predicate")]
fn leaving(session: &Session) -> Option<u64> {
    Some(u64::from(session.metadata.deletion_timestamp.is_some()))
}

async fn run_templates(
    context: &Arc<Context>,
    reader: reflector::Store<Template>,
    events: impl Stream<Item = Result<Template, kube::runtime::watcher::Error>> + Send + 'static,
    called: mpsc::UnboundedSender<ObjectRef<Session>>,
    stop: CancellationToken,
) {
    let sessions = context.sessions.clone();
    let events = events.predicate_filter(predicates::generation, PredicateConfig::default()).inspect(move |event| {
        // Sessions that wait for this template, or meet its change at their next start.
        let Ok(template) = event else { return };
        let name = template.name_any();
        for session in sessions.state().iter().filter(|session| session.spec.template == name) {
            let _ = called.send(ObjectRef::from_obj(&**session));
        }
    });
    Controller::for_stream(events, reader)
        .with_config(Config::default().debounce(Duration::from_millis(200)).concurrency(4))
        .reconcile_all_on(sessions_changed(context))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(template::reconcile, |template, error, _| after_failure(&template.name_any(), error), context.clone())
        .for_each(|_| std::future::ready(()))
        .await;
}

/// A word whenever sessions came or went, at most every two seconds: the counts of instances follow.
fn sessions_changed(context: &Arc<Context>) -> impl Stream<Item = ()> + Send + 'static {
    let sessions = context.sessions.clone();
    let mut known: HashMap<String, usize> = HashMap::new();
    let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(Duration::from_secs(2)));
    ticks.filter_map(move |_| {
        let mut counts = HashMap::new();
        for session in sessions.state() {
            *counts.entry(session.spec.template.clone()).or_insert(0) += 1;
        }
        let changed = counts != known;
        known = counts;
        std::future::ready(changed.then_some(()))
    })
}

/// What to do after a failure: again, soon where somebody was faster, later where something is broken.
fn after_failure(name: &str, error: &ReconcileError) -> Action {
    let wait = match error {
        ReconcileError::Objects(ObjectError::Conflict { .. }) => Duration::from_millis(20),
        ReconcileError::Objects(ObjectError::Fenced(_)) => return Action::await_change(),
        other => {
            tracing::warn!(object.name = name, error = %other, error.source = ?std::error::Error::source(other), "reconciliation failed");
            Duration::from_secs(2)
        }
    };
    Action::requeue(wait)
}

/// Calls sessions whose use has changed in a way that shows in their status.
async fn follow_uses(
    context: Arc<Context>,
    called: mpsc::UnboundedSender<ObjectRef<Session>>,
    mut uses: broadcast::Receiver<String>,
) {
    let sessions = &context.app.sessions;
    loop {
        let changed = match uses.recv().await {
            Ok(name) if !name.is_empty() => sessions.peek(&name).into_iter().collect(),
            // It is not known which: all.
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => sessions.snapshot(None),
            // The server stops.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        };
        for session in changed {
            let _ = called.send(ObjectRef::from_obj(&*session));
        }
    }
}

/// Whether a stage is a step on the way, which a quick start has left before anybody could read of it.
const fn passes(stage: &Stage) -> bool {
    matches!(stage, Stage::Preparing { .. } | Stage::Running { listening: false })
}

/// Keeps what the engine tells, and calls the session it concerns.
async fn follow_engine(
    context: Arc<Context>,
    called: mpsc::UnboundedSender<ObjectRef<Session>>,
    synced: oneshot::Sender<()>,
) {
    let namespace = context.app.config.sessions.namespace().to_owned();
    let mut synced = Some(synced);
    let mut listed: Option<HashSet<SessionId>> = None;
    let mut events = context.app.engine.watch();
    let mut later = FuturesUnordered::new();
    loop {
        let event = tokio::select! {
            event = events.next() => match event {
                Some(event) => event,
                None => return,
            },
            Some(session) = later.next() => {
                let SessionId(name) = session;
                let _ = called.send(ObjectRef::new(&name).within(&namespace));
                continue;
            }
        };
        let mut gone = vec![];
        match event {
            WorkloadEvent::Apply(state) if listed.is_none() && passes(&state.stage) => {
                let session = state.session.clone();
                lock(&context.workloads).insert(session.clone(), *state);
                later.push(sleep(STEP_SHOWN_AFTER).map(|()| session));
            }
            WorkloadEvent::Init => listed = Some(HashSet::new()),
            WorkloadEvent::Apply(state) => {
                if let Some(listed) = &mut listed {
                    listed.insert(state.session.clone());
                }
                gone.push(state.session.clone());
                lock(&context.workloads).insert(state.session.clone(), *state);
            }
            WorkloadEvent::Gone(session) => {
                lock(&context.workloads).remove(&session);
                gone.push(session);
            }
            WorkloadEvent::InitDone => {
                let listed = listed.take().unwrap_or_default();
                let mut workloads = lock(&context.workloads);
                gone.extend(workloads.keys().filter(|session| !listed.contains(*session)).cloned());
                workloads.retain(|session, _| listed.contains(session));
                drop(workloads);
                synced.take().map(|synced| synced.send(()));
            }
        }
        for session in gone {
            let _ = called.send(ObjectRef::new(&session.0).within(&namespace));
        }
    }
}
