//! The one task that acts for a session: whatever is asked at once is done one after the other.

use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::Child,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, files, homes, host, launch, layout,
    limits::Group,
    link::Link,
    wire::{self, Exit, Identity, Order, Spec, VERSION, Verdict},
};
use crate::{
    crd::Reason,
    engine::{Ending, EngineError, SessionId, Stage, Workload, WorkloadState},
};

/// How long a holder may take beyond the grace before it is killed itself.
const HOLDER_GRACE: Duration = Duration::from_secs(8);
/// How long a cgroup may take to become empty once its processes are dead.
const EMPTY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a holder found at the start of the server may take to answer.
const ADOPTION_DEADLINE: Duration = Duration::from_millis(2500);

/// What a session is asked.
#[derive(Debug)]
pub(super) enum Ask {
    Run(Box<Workload>),
    Stop,
    Remove(oneshot::Sender<Result<(), EngineError>>),
    /// End the run for this reason.
    Condemn(Verdict),
    /// Write a line into the output.
    Note(String),
}

/// What is wanted in the end.
#[derive(Debug)]
enum Goal {
    Run(Box<Workload>),
    Nothing,
    NoTrace,
}

/// The present run, or the last one as long as its end is shown.
#[derive(Debug)]
struct Run {
    workload: Workload,
    state: WorkloadState,
    /// While its holder lives.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    spec: Spec,
    link: Link,
    /// Where this server started the holder: it has to be taken in.
    child: Option<Child>,
    /// Set once its end was asked for: when the holder is killed.
    kill_at: Option<Instant>,
}

/// A session's task. See [`Actor::live`].
#[derive(Debug)]
pub(super) struct Actor {
    inner: Arc<Inner>,
    session: SessionId,
    asks: mpsc::UnboundedReceiver<Ask>,
    goal: Option<Goal>,
    run: Option<Run>,
    waiting: VecDeque<oneshot::Sender<Result<(), EngineError>>>,
}

impl Actor {
    pub(super) fn new(inner: Arc<Inner>, session: SessionId, asks: mpsc::UnboundedReceiver<Ask>) -> Self {
        Self { inner, session, asks, goal: None, run: None, waiting: VecDeque::new() }
    }

    /// Acts until nothing is left of the session and nobody asks for anything, or until `stop`.
    pub(super) async fn live(mut self, stop: CancellationToken) {
        loop {
            self.approach().await;
            if self.goal.is_none() && self.run.is_none() && self.inner.retire(&self.session, &mut self.asks) {
                return;
            }
            let kill_at = self.held().and_then(|held| held.kill_at);
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.hear(ask).await,
                    None => return,
                },
                report = next_report(&mut self.run) => self.take(report).await,
                () = deadline(kill_at) => self.kill_holder(),
                () = stop.cancelled() => return,
            }
        }
    }

    fn held(&self) -> Option<&Held> {
        self.run.as_ref().and_then(|run| run.held.as_ref())
    }

    async fn hear(&mut self, ask: Ask) {
        match ask {
            Ask::Run(workload) => {
                let known = self.run.as_ref().is_some_and(|run| !is_newer(&workload, &run.workload));
                let removing = matches!(self.goal, Some(Goal::NoTrace));
                if !known && !removing {
                    self.goal = Some(Goal::Run(workload));
                }
            }
            Ask::Stop => {
                if !matches!(self.goal, Some(Goal::NoTrace)) {
                    self.goal = Some(Goal::Nothing);
                }
            }
            Ask::Remove(answer) => {
                self.goal = Some(Goal::NoTrace);
                self.waiting.push_back(answer);
            }
            Ask::Condemn(verdict) => self.order_stop(Some(verdict)).await,
            Ask::Note(text) => self.send(&Order::Note { version: VERSION, text }).await,
        }
    }

    /// Takes steps towards the goal until it is reached or something has to be awaited.
    async fn approach(&mut self) {
        while let Some(goal) = self.goal.take() {
            if self.held().is_some() {
                self.goal = Some(goal);
                self.order_stop(None).await;
                return;
            }
            self.forget_run();
            match goal {
                Goal::Run(workload) => self.launch(*workload).await,
                Goal::Nothing => self.inner.board.forget(&self.session),
                Goal::NoTrace => {
                    let result = self.erase().await;
                    self.inner.board.forget(&self.session);
                    for answer in self.waiting.drain(..) {
                        // Whoever asked may have gone away.
                        let _ = answer.send(result.clone().map_err(EngineError::Failed));
                    }
                }
            }
        }
    }

    /// Lets go of a run that is over. Its output stays.
    fn forget_run(&mut self) {
        self.run = None;
        // Without its spec a run is not known after the next start either.
        let _ = std::fs::remove_file(self.inner.layout.spec(&self.session));
        for name in [layout::IDENTITY, layout::EXIT] {
            let _ = std::fs::remove_file(self.inner.layout.record(&self.session).join(name));
        }
    }

    async fn launch(&mut self, workload: Workload) {
        let preparing = Stage::Preparing { waiting_for: "Starting the sandbox".into() };
        let mut state = wire::state(&workload, &self.inner.node, preparing);
        self.inner.board.show(state.clone());
        let inner = Arc::clone(&self.inner);
        let asked = workload.clone();
        let launched = tokio::task::spawn_blocking(move || launch::launch(&inner, &asked)).await;
        let launched =
            launched.unwrap_or_else(|error| Err(Verdict::new(Reason::Unknown, format!("The start failed: {error}"))));
        match launched {
            Ok(launched) => {
                state.limits_missing.clone_from(&launched.spec.limits_missing);
                self.inner.board.show(state.clone());
                self.inner.guard.enter(&launched.spec, launched.fresh_home);
                let held =
                    Held { spec: launched.spec, link: launched.link, child: Some(launched.child), kill_at: None };
                self.run = Some(Run { workload, state, held: Some(held) });
                self.persist();
            }
            Err(verdict) => {
                state.stage = Stage::Ended(verdict.at(self.inner.clock.now()));
                self.inner.board.show(state.clone());
                self.run = Some(Run { workload, state, held: None });
            }
        }
    }

    /// In the background: a start does not wait for the disk.
    fn persist(&self) {
        let (inner, session) = (Arc::clone(&self.inner), self.session.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = launch::persist(&inner, &session) {
                tracing::warn!(session.id = %session, %error, "a sandbox could not be written down durably");
            }
        });
    }

    /// Takes a report of the holder, or its end.
    async fn take(&mut self, report: Option<wire::Status>) {
        match report {
            Some(status) if status.exit.is_none() => {
                let Some(Run { state, held: Some(held), .. }) = &mut self.run else { return };
                *state = wire::state_of(&held.spec, &self.inner.node, &status);
                self.inner.board.show(state.clone());
            }
            // Once it has written down the end it has nothing more to do.
            Some(_) | None => self.over().await,
        }
    }

    /// The run is over: finds out how, and takes away what it leaves.
    async fn over(&mut self) {
        let Some(mut held) = self.run.as_mut().and_then(|run| run.held.take()) else { return };
        if let Some(child) = &mut held.child {
            let _ = tokio::time::timeout(HOLDER_GRACE, child.wait()).await;
        }
        let ending = read_ending(&self.inner, &held.spec);
        clear(&self.inner, &held.spec).await;
        self.inner.guard.leave(&held.spec);
        if let Some(run) = &mut self.run {
            run.state.stage = Stage::Ended(ending);
            self.inner.board.show(run.state.clone());
        }
    }

    async fn order_stop(&mut self, verdict: Option<Verdict>) {
        let grace = self.inner.options.stop_grace;
        let Some(Run { state, held: Some(held), .. }) = &mut self.run else { return };
        if held.kill_at.is_some() {
            return;
        }
        held.kill_at = Some(Instant::now() + grace + HOLDER_GRACE);
        state.stage = Stage::Stopping;
        self.inner.board.show(state.clone());
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.send(&Order::Stop { version: VERSION, grace_ms, verdict }).await;
    }

    /// A holder that does not take an order is stuck or dead, which its deadline or the end of the link shows.
    async fn send(&mut self, order: &Order) {
        if let Some(held) = self.run.as_mut().and_then(|run| run.held.as_mut())
            && let Err(error) = held.link.send(order).await
        {
            tracing::warn!(session.id = %self.session, %error, "a holder did not take an order");
        }
    }

    /// The last resort: everything inside dies with the holder.
    fn kill_holder(&mut self) {
        if let Some(held) = self.run.as_mut().and_then(|run| run.held.as_mut()) {
            held.kill_at = None;
            tracing::warn!(session.id = %self.session, "a holder did not end in time and is killed");
            if let Some(pid) = held.link.pid {
                // Its death shows as the end of the link.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    async fn erase(&self) -> Result<(), String> {
        let (inner, session) = (Arc::clone(&self.inner), self.session.clone());
        let erased = tokio::task::spawn_blocking(move || {
            homes::erase(&inner.layout.sandbox(&session)).and_then(|()| homes::erase(&inner.layout.sockets(&session)))
        });
        let result = erased.await.map_err(|error| error.to_string())?;
        result.map_err(|error| format!("the session's folder could not be removed: {error}"))
    }

    /// Finds out what became of a run that an earlier server started.
    pub(super) async fn adopt(&mut self) {
        let path = self.inner.layout.spec(&self.session);
        let spec: Spec = match files::read(&path) {
            Ok(Some(spec)) => spec,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(session.id = %self.session, %error, "an unreadable sandbox is forgotten");
                return;
            }
        };
        let starting = Stage::Preparing { waiting_for: "Finding the sandbox again".into() };
        let state = wire::state(&spec.workload, &self.inner.node, starting);
        if let Some(link) = attach(&self.inner, &spec).await {
            self.inner.guard.enter(&spec, false);
            let workload = spec.workload.clone();
            self.run = Some(Run { workload, state, held: Some(Held { spec, link, child: None, kill_at: None }) });
            let report = next_report(&mut self.run).await;
            self.take(report).await;
            return;
        }
        clear(&self.inner, &spec).await;
        if never_began(&self.inner, &spec) {
            self.forget_run();
            return;
        }
        let state = WorkloadState { stage: Stage::Ended(read_ending(&self.inner, &spec)), ..state };
        self.inner.board.show(state.clone());
        self.run = Some(Run { workload: spec.workload, state, held: None });
    }
}

/// Connects to the holder of `spec`, if one is alive. One that does not answer is killed: nobody could ever stop it.
async fn attach(inner: &Inner, spec: &Spec) -> Option<Link> {
    let session = &spec.workload.session;
    let until = Instant::now() + ADOPTION_DEADLINE;
    let socket = spec.sockets.join(layout::CONTROL);
    // A holder that was started a moment ago may not listen yet.
    while launch::is_held(&inner.layout.spec(session)).unwrap_or(false) {
        match Link::connect(&socket).await {
            Ok(link) if is_holder(inner, spec, &link) => return Some(link),
            Ok(_) | Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(_) | Err(_) => {
                tracing::warn!(session.id = %session, "a holder does not answer and is killed");
                kill_known(inner, spec);
                break;
            }
        }
    }
    None
}

fn identity(inner: &Inner, spec: &Spec) -> Option<Identity> {
    let read = files::read::<Identity>(&inner.layout.record(&spec.workload.session).join(layout::IDENTITY));
    read.ok().flatten().filter(|known| known.run == spec.workload.run && known.boot == inner.boot)
}

/// Whether the process behind `link` is the holder that was started for this run: same pid, start time and boot.
fn is_holder(inner: &Inner, spec: &Spec, link: &Link) -> bool {
    identity(inner, spec).is_some_and(|known| {
        link.pid == Some(known.pid) && host::start_time(known.pid).is_ok_and(|start| start == known.start_time)
    })
}

fn kill_known(inner: &Inner, spec: &Spec) {
    if let Some(known) = identity(inner, spec)
        && host::start_time(known.pid).is_ok_and(|start| start == known.start_time)
    {
        let _ = kill(Pid::from_raw(known.pid), Signal::SIGKILL);
    }
}

/// A start that was interrupted before the holder did anything: as if it had not been asked for.
fn never_began(inner: &Inner, spec: &Spec) -> bool {
    let record = inner.layout.record(&spec.workload.session);
    let began = files::read::<Identity>(&record.join(layout::IDENTITY)).ok().flatten();
    spec.boot == inner.boot
        && began.is_none_or(|known| known.run != spec.workload.run)
        && !record.join(layout::EXIT).exists()
}

/// How a run ended whose holder is gone.
fn read_ending(inner: &Inner, spec: &Spec) -> Ending {
    let session = &spec.workload.session;
    let exit: Option<Exit> = files::read(&inner.layout.record(session).join(layout::EXIT)).ok().flatten();
    if let Some(exit) = exit.filter(|exit| exit.run == spec.workload.run) {
        return exit.ending;
    }
    let now = inner.clock.now();
    if spec.boot != inner.boot {
        return Verdict::new(Reason::HostRestarted, "The host was restarted, and everything that ran on it ended.")
            .at(now);
    }
    let trouble = trouble(&inner.layout.sandbox(session));
    Verdict::new(Reason::Unknown, format!("The process that held the sandbox was ended from outside. {trouble}"))
        .at(now)
}

/// What a holder said before it died, if it could.
fn trouble(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(launch::TROUBLE)).unwrap_or_default();
    text.trim().chars().take(500).collect()
}

/// Takes away what a run leaves on the host: processes, cgroup, sockets. Its output stays.
async fn clear(inner: &Inner, spec: &Spec) {
    let group = Group::of(&spec.cgroups);
    let until = Instant::now() + EMPTY_DEADLINE;
    let mut pause = Duration::from_millis(1);
    while !group.remove() {
        group.kill();
        if Instant::now() > until {
            tracing::warn!(session.id = %spec.workload.session, "a cgroup could not be removed");
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    if let Err(error) = std::fs::remove_dir_all(inner.layout.sockets(&spec.workload.session))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(session.id = %spec.workload.session, %error, "a folder of sockets could not be removed");
    }
}

/// Whether `asked` replaces `present`: a later run, or a session of the same name that was made anew.
fn is_newer(asked: &Workload, present: &Workload) -> bool {
    asked.session_uid != present.session_uid || asked.run > present.run
}

async fn next_report(run: &mut Option<Run>) -> Option<wire::Status> {
    match run.as_mut().and_then(|run| run.held.as_mut()) {
        Some(held) => held.link.report().await,
        None => std::future::pending().await,
    }
}

async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
