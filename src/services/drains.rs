//! Drains: a node is emptied, and the people on it are told.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use kube::ResourceExt;
use serde_json::json;
use tokio::time::sleep;

use super::{
    audit::{self, Entry as Audit, Outcome},
    nodes, sessions,
};
use crate::{
    App, Error,
    auth::Caller,
    config::EngineKind,
    crd::{DesiredState, Phase, Session},
    domain::{
        activity,
        jobs::{Job, Status},
        nodes::{
            change::Change,
            drain::{self, Entry, Here, Plan, State, Step, Wish},
        },
    },
    jobs::{self, Done, Failure, Handler, New, Run},
    store::{
        self,
        activity::ActivityRow,
        jobs::Query,
        notices::{self, DRAIN, Notice},
    },
};

/// The type of job.
const KIND: &str = "node.drain";
/// How often is looked how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer than any drain may take, so that it ends by its own time.
const LIMIT: Duration = Duration::from_hours(25);
/// What the platform says it put sessions to sleep for.
const BECAUSE: &str = "Drain";

fn target(node: &str) -> String {
    format!("node/{node}")
}

/// What a drain would do now.
///
/// # Errors
/// [`Error::NotFound`] for a node that is not there, [`Error::Invalid`] for what cannot be meant.
pub async fn plan(app: &App, node: &str, wish: &Wish) -> Result<Plan, Error> {
    wish.check().map_err(Error::Invalid)?;
    let nodes = nodes::list(app)?;
    if !nodes.iter().any(|one| one.name == node) {
        return Err(Error::not_found("node", node));
    }
    let here = here(app, node).await?;
    let mut plan = drain::plan(node, wish, &here, nodes.len() == 1, app.clock.now());
    if app.config.engine.kind() == EngineKind::Kubernetes {
        plan.possible = false;
        plan.obstacles.push(
            "The pods of a cluster's node are evicted by kubectl drain: cordon the node here, then use that.".into(),
        );
    }
    Ok(plan)
}

/// Cordons the node and has it emptied, unless the plan says that this is not possible.
pub async fn begin(app: &App, caller: &Caller, node: &str, wish: &Wish) -> Result<Job, Error> {
    match try_to_begin(app, caller, node, wish).await {
        Err(error @ (Error::Invalid(_) | Error::NotFound { .. } | Error::Conflict(_))) => {
            let refused = Audit { result: Outcome::Refused, ..Audit::new(KIND, target(node)) };
            let refused = refused.after(&json!({ "asked": wish, "reason": error.to_string() }));
            audit::record(&app.pool.get().await?, caller, refused).await?;
            Err(error)
        }
        other => other,
    }
}

async fn try_to_begin(app: &App, caller: &Caller, node: &str, wish: &Wish) -> Result<Job, Error> {
    let plan = plan(app, node, wish).await?;
    if !plan.possible {
        return Err(Error::Conflict(plan.obstacles.join(" ")));
    }
    if let Some(job) = under_way(app, node).await? {
        return Err(Error::Conflict(format!("the node is being drained already: job {}", job.id)));
    }
    // First nothing new comes; killed after this line the node is cordoned, and the same request goes on from there.
    nodes::change(app, caller, node, &Change::Cordon(true), None).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let new = New {
        payload: json!({ "node": node, "wish": wish }),
        created_by: Some(caller.user.clone()),
        correlation_id: caller.request_id.clone(),
        ..jobs::new(KIND, target(node))
    };
    let (job, _) = jobs::enqueue(&transaction, &new).await?;
    let entry = Audit::new(KIND, target(node)).before(&json!({ "sessions": plan.sessions }));
    audit::record(&transaction, caller, entry.after(&json!({ "job": job.id, "asked": wish }))).await?;
    store::jobs::feed::announce(&transaction).await?;
    transaction.commit().await?;
    Ok(job)
}

async fn under_way(app: &App, node: &str) -> Result<Option<Job>, Error> {
    let query = Query {
        statuses: vec![Status::Pending, Status::Running],
        kind: Some(KIND.into()),
        target: Some(target(node)),
        limit: 1,
        ..Query::default()
    };
    Ok(store::jobs::list(&app.pool.get().await?, &query).await?.0.pop())
}

/// The sessions on that node at this moment.
async fn here(app: &App, node: &str) -> Result<Vec<Here>, Error> {
    let sessions = nodes::sessions_on(app, node);
    let names: Vec<String> = sessions.iter().map(|session| session.name_any()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = store::activity::read_some(&app.pool.get().await?, &names).await?;
    let rows: HashMap<&str, &ActivityRow> = rows.iter().map(|row| (row.session.as_str(), row)).collect();
    let here = sessions.iter().map(|session| Here {
        uid: session.uid().unwrap_or_default(),
        user: session.spec.user.clone(),
        display_name: sessions::shown_name(session).to_owned(),
        leaving: session.spec.state != DesiredState::Running || session.metadata.deletion_timestamp.is_some(),
        active: is_active(app, session, rows.get(session.name_any().as_str()).copied()),
        name: session.name_any(),
    });
    Ok(here.collect())
}

/// Whether somebody is in it, or something that counts happened a moment ago.
fn is_active(app: &App, session: &Session, row: Option<&ActivityRow>) -> bool {
    row.filter(|row| row.session_uid.is_none() || row.session_uid == session.uid()).is_some_and(|row| {
        row.connections > 0 || row.last_activity.is_some_and(|last| activity::is_recent(last, app.clock.now()))
    })
}

/// Does drains.
#[derive(Debug)]
pub struct Drains {
    /// What the server is wired to.
    pub app: App,
}

#[derive(serde::Deserialize)]
struct Payload {
    node: String,
    wish: Wish,
}

#[async_trait]
impl Handler for Drains {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    async fn run(&self, run: &Run) -> Result<Done, Failure> {
        let Payload { node, wish } = run.payload()?;
        let mut state = self.state(run, &node, &wish);
        self.app.nodes.change(&node, &Change::Cordon(true), None).await.map_err(Error::from)?;
        let stopping = run.stopping();
        let ended = tokio::select! {
            ended = self.empty(run, &wish, &mut state) => ended,
            () = stopping.cancelled() => Err(Failure::Stopped),
        };
        let over = match ended {
            Ok(()) => return Ok(Done::With(json!(state))),
            // Whoever goes on finds the warnings as they are.
            Err(again @ Failure::Again(_)) => return Err(again),
            // The server stops: the same.
            Err(Failure::Stopped) if !self.is_cancelled(run).await? => return Err(Failure::Stopped),
            Err(over) => over,
        };
        self.leave(run, &mut state).await?;
        Err(over)
    }
}

impl Drains {
    /// Where an earlier attempt left off, or the beginning.
    fn state(&self, run: &Run, node: &str, wish: &Wish) -> State {
        let kept = run.job().result.clone().and_then(|kept| serde_json::from_value(kept).ok());
        kept.unwrap_or_else(|| {
            let now = self.app.clock.now();
            State {
                node: node.to_owned(),
                strategy: wish.strategy,
                began_at: now,
                ends_at: wish.ends_at(now),
                sessions: Vec::new(),
            }
        })
    }

    async fn is_cancelled(&self, run: &Run) -> Result<bool, Error> {
        let job = store::jobs::get(&self.app.pool.get().await?, &run.job().id).await?;
        Ok(job.is_some_and(|job| job.cancel_requested))
    }

    /// Looks and acts until nothing is left on the node, or the time is over.
    async fn empty(&self, run: &Run, wish: &Wish, state: &mut State) -> Result<(), Failure> {
        loop {
            let (here, before) = (here(&self.app, &state.node).await?, state.sessions.clone());
            let now = self.app.clock.now();
            let wanted = state.advance(wish, &here, |entry| self.became(entry), now);
            tell(run, &before, &state.sessions);
            let (done, all) = (state.done(), state.sessions.len());
            run.progress(done as u64, Some(all as u64), "sessions");
            run.so_far(json!(state)).await?;
            if here.is_empty() {
                return Ok(());
            }
            if now >= state.ends_at {
                let left: Vec<&str> = here.iter().map(|one| one.name.as_str()).collect();
                return Err(Failure::Final(format!("the time is over, and these still run: {}", left.join(", "))));
            }
            for entry in &wanted {
                self.act(wish, entry).await?;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What became of a session that is on the node no more.
    fn became(&self, entry: &Entry) -> Step {
        let session =
            self.app.sessions.peek(&entry.name).filter(|session| session.uid().as_deref() == Some(&entry.uid));
        match session.map(|session| session.phase()) {
            Some(Phase::Hibernated | Phase::Hibernating) => Step::Hibernated,
            _ => Step::Ended,
        }
    }

    async fn act(&self, wish: &Wish, entry: &Entry) -> Result<(), Error> {
        match entry.step {
            Step::Hibernate => {
                let Some(session) = self.app.sessions.get(&entry.name).await? else { return Ok(()) };
                if session.uid().as_deref() == Some(&entry.uid) {
                    sessions::put_to_sleep(&self.app, &session, BECAUSE).await?;
                }
                Ok(())
            }
            Step::Warn | Step::Wait => {
                self.warn(entry, drain::warning(wish.strategy, entry, self.app.clock.now())).await
            }
            Step::Stopping | Step::Hibernated | Step::Ended | Step::Stayed => Ok(()),
        }
    }

    /// Tells the person once for each moment that is told.
    async fn warn(&self, entry: &Entry, message: String) -> Result<(), Error> {
        let at = self.app.clock.now();
        let notice = Notice {
            session_uid: entry.uid.clone(),
            session: entry.name.clone(),
            user: entry.user.clone(),
            reason: DRAIN.to_owned(),
            message,
            at,
            stops_at: entry.stops_at.unwrap_or(at),
        };
        notices::tell(&mut self.app.pool.get().await?, &notice).await
    }

    /// Leaves the rest as it is: those who were warned are told that nothing happens. The node stays cordoned.
    async fn leave(&self, run: &Run, state: &mut State) -> Result<(), Error> {
        let now = self.app.clock.now();
        for entry in state.sessions.iter_mut().filter(|entry| !entry.step.is_final()) {
            let warned = matches!(entry.step, Step::Warn | Step::Wait);
            if entry.step != Step::Stopping {
                (entry.step, entry.stops_at) = (Step::Stayed, Some(now));
            }
            if warned {
                self.warn(entry, drain::all_clear(entry)).await?;
            }
        }
        run.info("the node stays cordoned; what runs there goes on");
        run.so_far(json!(state)).await
    }
}

/// Says in the log what is otherwise.
fn tell(run: &Run, before: &[Entry], now: &[Entry]) {
    for entry in now {
        let old = before.iter().find(|old| old.uid == entry.uid).map(|old| old.step);
        if old == Some(entry.step) {
            continue;
        }
        let Entry { name, user, .. } = entry;
        match (entry.step, entry.stops_at) {
            (Step::Hibernate, _) => run.info(format!("{name} of {user} is put to sleep")),
            (Step::Warn, Some(stop)) => run.info(format!("{user} works in {name}, and is given until {stop}")),
            (Step::Warn | Step::Wait, _) => run.info(format!("{name} of {user} is waited for")),
            (Step::Stopping, _) => run.info(format!("{name} of {user} stops")),
            (Step::Hibernated, _) => run.info(format!("{name} of {user} sleeps")),
            (Step::Ended, _) => run.info(format!("{name} of {user} has ended")),
            (Step::Stayed, _) => run.warning(format!("{name} of {user} still runs")),
        }
    }
}
