//! What happens by the clock: signs of life and activity are written, dead connections closed, rights looked at again,
//! programs asked whether they are busy.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::{Gateway, probe};
use crate::{
    Error, clock,
    config::Role,
    crd::{Phase, Session},
    engine::{Engine, SessionId, Usage as Measured},
    live::{self, Figure},
    services::{
        activity::{self, Usage},
        presence::Cause,
        upkeep,
    },
    telemetry::task::Tasks,
};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(1);
/// How often the rights of those who have a stream open are looked at.
const RIGHTS_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How often connections without a sign of life are closed.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// How often rows are removed that nobody needs.
const TIDY_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How often programs are measured, and asked whether they are busy.
const MEASURE_EVERY: SignedDuration = SignedDuration::from_secs(15);
const PROBE_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// The time over which the processor's use is looked at, and how much of a core counts, in thousandths.
const PROCESSOR_OVER: SignedDuration = SignedDuration::from_secs(60);
const PROCESSOR_MILLICORES: u64 = 500;
/// Programs that are measured at once, and the longest wait for one.
const AT_ONCE: usize = 8;
const MEASURE_WITHIN: Duration = Duration::from_secs(5);
/// Figures are told in these steps, so that a program at rest says nothing new.
const MILLICORES_SHOWN: u64 = 10;
const BYTES_SHOWN: u64 = 1 << 20;

/// Starts what happens by the clock. Programs are measured and asked only where the way to them is.
pub fn start(gateway: &Gateway, tasks: &mut Tasks) {
    let mut keeper = Keeper::new(gateway.clone());
    let stop = tasks.stopping();
    tasks.start("connection-keeper", async move {
        let clock = Arc::clone(&keeper.gateway.app().clock);
        while stop.run_until_cancelled(clock::sleep(&*clock, TICK)).await.is_some() {
            keeper.tick(false).await;
        }
        // What was noted last is not lost.
        keeper.tick(true).await;
    });
    if !gateway.app().config.roles.has(Role::Gateway) {
        return;
    }
    let mut meter = Meter::new(gateway.clone());
    let stop = tasks.stopping();
    tasks.start("activity-meter", async move {
        let clock = Arc::clone(&meter.gateway.app().clock);
        while stop.run_until_cancelled(clock::sleep(&*clock, TICK)).await.is_some() {
            stop.run_until_cancelled(meter.tick(clock.now())).await;
        }
    });
}

/// Something that is due again and again.
#[derive(Debug)]
struct Every {
    period: SignedDuration,
    last: Option<Timestamp>,
}

impl Every {
    fn new(period: SignedDuration) -> Self {
        Self { period, last: None }
    }

    /// Whether it is due; a clock that was moved back makes it due as well.
    fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.last.is_none_or(|last| now < last || now.duration_since(last) >= self.period);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Keeps the rows of connections and activity in step with memory.
struct Keeper {
    gateway: Gateway,
    changes: Receiver<String>,
    /// What changed and was not told to the controller yet, which may be another process.
    untold: HashSet<String>,
    /// People whose rights changed.
    people: Receiver<String>,
    sweep: Every,
    rights: Every,
    tidy: Every,
    /// The database did not answer the last time.
    failing: bool,
}

impl Keeper {
    fn new(gateway: Gateway) -> Self {
        Self {
            changes: gateway.presence().changes(),
            people: gateway.app().auth.changes(),
            gateway,
            untold: HashSet::new(),
            sweep: Every::new(SWEEP_EVERY),
            rights: Every::new(RIGHTS_EVERY),
            tidy: Every::new(TIDY_EVERY),
            failing: false,
        }
    }

    /// Does what is due; at the `end` whatever there is.
    async fn tick(&mut self, end: bool) {
        let mut told = self.gateway.usages().take_fresh();
        let changed: Vec<String> = drain(&mut self.changes).collect();
        told.extend(changed.iter().cloned());
        self.untold.extend(changed);
        let done = self.keep(end, &mut told).await;
        match done {
            Err(error) if !self.failing => {
                tracing::warn!(error = %error, "connections and activity could not be written: they will be");
                self.failing = true;
            }
            Err(_) => {}
            Ok(()) => self.failing = false,
        }
    }

    async fn keep(&mut self, end: bool, told: &mut HashSet<String>) -> Result<(), Error> {
        let (app, presence) = (self.gateway.app(), self.gateway.presence());
        let now = app.clock.now();
        // What was opened with rights that changed is looked at at once; the rest now and then, for what has run out.
        if drain(&mut self.people).next().is_some() | self.rights.is_due(now) {
            upkeep::look_at_rights(app, presence).await;
        }
        let sweep = self.sweep.is_due(now);
        upkeep::write_beats(app, presence, sweep || end).await?;
        if sweep {
            upkeep::close_stale(app, presence).await?;
        }
        if self.tidy.is_due(now) {
            upkeep::remove_closed(app).await?;
        }
        told.extend(upkeep::write_activity(app, presence, end).await?);
        // Behind what is written: whoever hears of it reads that.
        let untold: Vec<String> = self.untold.iter().cloned().collect();
        upkeep::tell_uses(app, &untold).await?;
        self.untold.clear();
        self.tell(told).await
    }

    /// Tells those who watch what the sessions are used for now.
    async fn tell(&self, told: &HashSet<String>) -> Result<(), Error> {
        let app = self.gateway.app();
        let sessions: Vec<Arc<Session>> = told.iter().filter_map(|name| app.sessions.peek(name)).collect();
        if sessions.is_empty() {
            return Ok(());
        }
        let items = activity::some(app, self.gateway.usages(), &sessions).await?;
        let figures = items.into_iter().map(|item| {
            let figure = serde_json::to_value(&item).map_err(Error::internal)?;
            Ok((item.session, figure))
        });
        let figures: Vec<Figure> = figures.collect::<Result<_, Error>>()?;
        live::announce(&app.pool.get().await?, &figures).await
    }
}

/// What has arrived. One that lags tells something at least: an empty name.
fn drain(receiver: &mut Receiver<String>) -> impl Iterator<Item = String> {
    let mut arrived = Vec::new();
    loop {
        match receiver.try_recv() {
            Ok(name) => arrived.push(name),
            Err(TryRecvError::Lagged(_)) => arrived.push(String::new()),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return arrived.into_iter(),
        }
    }
}

/// Measures what programs use, and asks whether they are busy.
struct Meter {
    gateway: Gateway,
    measure: Every,
    probe: Every,
    /// Of each session: the run, and what its program had used when, oldest first.
    samples: HashMap<String, (i64, VecDeque<(Timestamp, u64)>)>,
}

impl Meter {
    fn new(gateway: Gateway) -> Self {
        Self { gateway, measure: Every::new(MEASURE_EVERY), probe: Every::new(PROBE_EVERY), samples: HashMap::new() }
    }

    /// Does what is due.
    async fn tick(&mut self, now: Timestamp) {
        let (measure, probe) = (self.measure.is_due(now), self.probe.is_due(now));
        if !measure && !probe {
            return;
        }
        let sessions = self.gateway.app().sessions.snapshot(None);
        let running: Vec<Arc<Session>> =
            sessions.into_iter().filter(|session| session.phase() == Phase::Running).collect();
        if measure {
            self.measure(&running, now).await;
        }
        if probe {
            let asked = running.into_iter().map(|session| probe::ask(self.gateway.clone(), session));
            futures::stream::iter(asked).for_each_concurrent(AT_ONCE, |asked| asked).await;
        }
    }

    async fn measure(&mut self, running: &[Arc<Session>], now: Timestamp) {
        let measured = running.iter().cloned().map(|session| measured(Arc::clone(&self.gateway.app().engine), session));
        let measured: Vec<(Arc<Session>, Measured)> =
            futures::stream::iter(measured).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
        let names: HashSet<&str> = running.iter().filter_map(|session| session.metadata.name.as_deref()).collect();
        self.samples.retain(|name, _| names.contains(name.as_str()));
        let mut usages = HashMap::with_capacity(measured.len());
        for (session, usage) in measured {
            let name = session.metadata.name.clone().unwrap_or_default();
            usages.insert(name, self.take(&session, &usage, now));
        }
        self.gateway.usages().replace(usages);
    }

    /// Takes a measurement in, and notes activity where the processor was busy for long enough.
    fn take(&mut self, session: &Session, usage: &Measured, now: Timestamp) -> Usage {
        let name = session.metadata.name.clone().unwrap_or_default();
        let run = session.status.as_ref().map_or(0, |status| status.run);
        let (known_run, samples) = self.samples.entry(name.clone()).or_default();
        let went_back = samples.back().is_some_and(|(at, used)| *at >= now || *used > usage.cpu_micros);
        if *known_run != run || went_back {
            *known_run = run;
            samples.clear();
        }
        let last = samples.back().map_or(0, |since| millicores(*since, (now, usage.cpu_micros)));
        samples.push_back((now, usage.cpu_micros));
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= PROCESSOR_OVER) {
            samples.pop_front();
        }
        let over = samples.front().filter(|(at, _)| now.duration_since(*at) >= PROCESSOR_OVER);
        let busy = over.is_some_and(|since| millicores(*since, (now, usage.cpu_micros)) > PROCESSOR_MILLICORES);
        if busy && self.counts_processor(session) {
            let uid = session.metadata.uid.as_deref().unwrap_or_default();
            let used = self.gateway.presence().used(&name, uid);
            self.gateway.presence().note(&used, Cause::Processor, now);
        }
        Usage {
            cpu_millicores: last / MILLICORES_SHOWN * MILLICORES_SHOWN,
            memory_bytes: usage.memory_bytes / BYTES_SHOWN * BYTES_SHOWN,
            memory_limit_bytes: usage.memory_limit_bytes,
        }
    }

    fn counts_processor(&self, session: &Session) -> bool {
        let template = self.gateway.app().templates.peek(&session.spec.template);
        let activity = template.as_ref().and_then(|template| template.spec.activity.as_ref());
        activity.and_then(|activity| activity.cpu).unwrap_or(true)
    }
}

/// What the program of a session uses. One that is just ending has no figures, which is no failure.
async fn measured(engine: Arc<dyn Engine>, session: Arc<Session>) -> Option<(Arc<Session>, Measured)> {
    let id = SessionId(session.metadata.name.clone().unwrap_or_default());
    let usage = tokio::time::timeout(MEASURE_WITHIN, engine.usage(&id)).await;
    usage.ok().and_then(Result::ok).flatten().map(|usage| (session, usage))
}

/// Thousandths of a core used on average between two measurements of a moment and microseconds.
fn millicores(since: (Timestamp, u64), until: (Timestamp, u64)) -> u64 {
    let micros = u64::try_from(until.0.duration_since(since.0).as_micros()).unwrap_or(0);
    let used = until.1.saturating_sub(since.1);
    used.saturating_mul(1_000).checked_div(micros).unwrap_or(0)
}
