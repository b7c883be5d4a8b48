//! The job that empties a node: it looks, acts, and looks again, until nothing is left or the time is over.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    KIND,
    look::{Look, became},
};
use crate::{
    App, Error,
    domain::nodes::{
        change::Change,
        drain::{self, Entry, Here, State, Step},
        pods::{self, PodEntry, PodHere, PodStep},
        wish::Wish,
    },
    jobs::{Done, Failure, Handler, Run},
    nodes::Eviction,
    services::sessions,
    store::{
        self,
        notices::{self, DRAIN, Notice},
    },
};

/// How often is looked how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long is waited before the eviction of a pod is asked for again.
const EVICT_AGAIN: Duration = Duration::from_secs(5);
/// Longer than any drain may take, so that it ends by its own time.
const LIMIT: Duration = Duration::from_hours(25);
/// What the platform says it put sessions to sleep for.
const BECAUSE: &str = "Drain";

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

/// What one attempt keeps in mind.
#[derive(Default)]
struct Memory {
    cordoned: bool,
    /// When the eviction of a pod may be asked for again, by its uid.
    next_try: HashMap<String, Instant>,
    /// Why nothing can be seen or done at the moment.
    trouble: Option<String>,
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
        // Where an earlier attempt left off, or the beginning.
        let kept = run.job().result.clone().and_then(|kept| serde_json::from_value(kept).ok());
        let mut state = kept.unwrap_or_else(|| State::begin(&node, &wish, self.app.clock.now()));
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

/// Whether what failed may succeed in a moment, without another attempt at the job.
const fn passes(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::Database(_) | Error::Engine(_) | Error::Stale)
}

impl Drains {
    async fn is_cancelled(&self, run: &Run) -> Result<bool, Error> {
        let job = store::jobs::get(&self.app.pool.get().await?, &run.job().id).await?;
        Ok(job.is_some_and(|job| job.cancel_requested))
    }

    /// Looks and acts until nothing is left on the node, or the time is over.
    async fn empty(&self, run: &Run, wish: &Wish, state: &mut State) -> Result<(), Failure> {
        let mut memory = Memory::default();
        loop {
            match self.advance(run, wish, state, &mut memory).await {
                Ok(true) => return Ok(()),
                Ok(false) => memory.trouble = None,
                Err(error) if passes(&error) => {
                    let said = error.to_string();
                    if memory.trouble.as_ref() != Some(&said) {
                        run.warning(format!("trying again: {said}"));
                        memory.trouble = Some(said);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if self.app.clock.now() >= state.ends_at {
                let left = state.left().join(", ");
                let why = memory.trouble.map(|said| format!(" ({said})")).unwrap_or_default();
                return Err(Failure::Final(format!("the time is over, and these are left: {left}{why}")));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Looks once, and does what is to be done; whether nothing is left.
    async fn advance(&self, run: &Run, wish: &Wish, state: &mut State, memory: &mut Memory) -> Result<bool, Error> {
        if !memory.cordoned {
            self.app.nodes.change(&state.node, &Change::Cordon(true), None).await?;
            memory.cordoned = true;
        }
        let look = Look::at(&self.app, &state.node, wish.strategy).await?;
        let (sessions, known) = (state.sessions.clone(), state.pods.clone());
        let node = state.node.clone();
        let wanted = state.advance(wish, &look.sessions, |entry| became(&self.app, &node, entry), self.app.clock.now());
        let pods = pods::advance(&mut state.pods, wish, &look.pods);
        tell(run, &sessions, &state.sessions);
        tell_pods(run, &known, &state.pods);
        let (done, all) = state.done();
        run.progress(
            done as u64,
            Some(all as u64),
            if look.pods.is_empty() { "sessions" } else { "sessions and pods" },
        );
        run.so_far(json!(state)).await?;
        if state.left().is_empty() {
            return Ok(true);
        }
        for entry in &wanted {
            if let Some(here) = look.session(&entry.uid) {
                self.act(wish, entry, here, state, memory).await?;
            }
        }
        for entry in pods.iter().filter(|entry| matches!(entry.step, PodStep::Evict | PodStep::Blocked)) {
            if let Some(pod) = look.pods.iter().find(|pod| pod.uid == entry.uid) {
                self.evict(wish, pod, state, memory).await;
            }
        }
        Ok(false)
    }

    async fn act(
        &self,
        wish: &Wish,
        entry: &Entry,
        here: &Here,
        state: &mut State,
        memory: &mut Memory,
    ) -> Result<(), Error> {
        match (entry.step, &here.pod) {
            (Step::Hibernate, Some(pod)) if !pod.leaving && !pod.budgets.is_empty() => {
                // Whether it may go is the budget's to say, and to count.
                if self.evict(wish, pod, state, memory).await { self.hibernate(entry).await } else { Ok(()) }
            }
            (Step::Hibernate, _) => self.hibernate(entry).await,
            (Step::Move, Some(pod)) => {
                self.evict(wish, pod, state, memory).await;
                Ok(())
            }
            (Step::Warn | Step::Wait, _) => {
                self.warn(entry, drain::warning(wish.strategy, entry, self.app.clock.now())).await
            }
            (Step::Move, None)
            | (Step::Stopping | Step::Moving | Step::Moved | Step::Hibernated | Step::Ended | Step::Stayed, _) => {
                Ok(())
            }
        }
    }

    async fn hibernate(&self, entry: &Entry) -> Result<(), Error> {
        let Some(session) = self.app.sessions.get(&entry.name).await? else { return Ok(()) };
        if kube::ResourceExt::uid(&*session).as_deref() == Some(&entry.uid) {
            sessions::put_to_sleep(&self.app, &session, BECAUSE).await?;
        }
        Ok(())
    }

    /// Asks for the end of a pod, not more often than makes sense; whether it ends.
    async fn evict(&self, wish: &Wish, pod: &PodHere, state: &mut State, memory: &mut Memory) -> bool {
        let now = Instant::now();
        if memory.next_try.get(&pod.uid).is_some_and(|next| *next > now) {
            return false;
        }
        memory.next_try.insert(pod.uid.clone(), now + EVICT_AGAIN);
        let (why, sure) = match self.app.nodes.evict(pod, wish.grace_period_seconds).await {
            Ok(Eviction::Ends | Eviction::Gone) => return true,
            Ok(Eviction::NotNow(why)) => (why, true),
            Err(error) => (error.to_string(), false),
        };
        // What a budget said tells more than that nobody answered this time.
        let say = |message: &mut Option<String>| {
            if sure || message.is_none() {
                *message = Some(why.clone());
            }
        };
        state.pods.iter_mut().filter(|entry| entry.uid == pod.uid).for_each(|entry| say(&mut entry.message));
        let sessions = state.sessions.iter_mut().filter(|entry| pod.session.as_ref() == Some(&entry.name));
        sessions.for_each(|entry| say(&mut entry.message));
        false
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
            if !matches!(entry.step, Step::Stopping | Step::Moving) {
                (entry.step, entry.stops_at) = (Step::Stayed, Some(now));
            }
            if warned {
                self.warn(entry, drain::all_clear(entry)).await?;
            }
        }
        for entry in state.pods.iter_mut().filter(|entry| !entry.step.is_final() && entry.step != PodStep::Evicting) {
            entry.step = PodStep::Stayed;
        }
        run.info("the node stays cordoned; what runs there goes on");
        run.so_far(json!(state)).await
    }
}

/// Says in the log what is otherwise about sessions.
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
            (Step::Move, _) => run.info(format!("{name} of {user} goes to another node")),
            (Step::Stopping, _) => run.info(format!("{name} of {user} stops")),
            (Step::Moving, _) => run.info(format!("{name} of {user} has left, and starts elsewhere")),
            (Step::Moved, _) => {
                run.info(format!("{name} of {user} runs on {}", entry.node.as_deref().unwrap_or("another node")));
            }
            (Step::Hibernated, _) => run.info(format!("{name} of {user} sleeps")),
            (Step::Ended, _) => run.info(format!("{name} of {user} has ended")),
            (Step::Stayed, _) => run.warning(format!("{name} of {user} still runs")),
        }
    }
}

/// The same about pods, those of sessions apart.
fn tell_pods(run: &Run, before: &[PodEntry], now: &[PodEntry]) {
    for entry in now.iter().filter(|entry| entry.session.is_none()) {
        let old = before.iter().find(|old| old.uid == entry.uid).map(|old| old.step);
        if old == Some(entry.step) {
            continue;
        }
        let name = format!("{}/{}", entry.namespace, entry.name);
        match entry.step {
            PodStep::Evict => run.info(format!("pod {name} is evicted")),
            PodStep::Blocked => {
                run.warning(format!("pod {name} waits for room in its budget {}", entry.blocked_by.join(", ")));
            }
            PodStep::Skip => {
                run.info(format!("pod {name} is left alone. {}", entry.message.as_deref().unwrap_or_default()));
            }
            PodStep::Evicting => run.info(format!("pod {name} ends")),
            PodStep::Gone => run.info(format!("pod {name} is gone")),
            PodStep::Session | PodStep::Stayed => {}
        }
    }
}
