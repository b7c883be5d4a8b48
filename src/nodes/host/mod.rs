//! One machine as the only node: real figures from its kernel; what people set on it is a row in PostgreSQL.

mod facts;
mod figures;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use self::figures::Figures;
use super::{Changed, Eviction, Found, Nodes, NodesError};
use crate::{
    Error,
    clock::Clock,
    domain::{
        conditions::Holds,
        fields::FieldError,
        nodes::{
            Amounts, Effect, Gpu, Node, NodeCondition, NodeEvent, NodePod, Taint, Versions,
            change::{Change, Settings},
            pods::PodHere,
        },
    },
    store::{
        Pool,
        host_node::{self, HostNode},
    },
    telemetry::task::Tasks,
};

/// How often the host is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Where the kernel tells.
const PROC: &str = "/proc";

/// The host as the only node. A cheap handle.
#[derive(Clone)]
pub struct HostNodes(Arc<Inner>);

struct Inner {
    pool: Pool,
    clock: Arc<dyn Clock>,
    /// On the file system that counts.
    disk: PathBuf,
    name: String,
    versions: Versions,
    gpu: Option<Gpu>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    closed: watch::Sender<Option<String>>,
}

/// What is known of the host.
#[derive(Clone, Debug)]
struct State {
    kept: HostNode,
    figures: Figures,
    conditions: Vec<NodeCondition>,
}

impl fmt::Debug for HostNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostNodes").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl HostNodes {
    /// The host, of which `disk` is a folder on the file system where homes are; looked at every 5 s until `tasks` end.
    ///
    /// # Errors
    /// Where the database does not answer, or the kernel does not tell.
    pub async fn start(pool: Pool, disk: &Path, clock: Arc<dyn Clock>, tasks: &mut Tasks) -> Result<Self, Error> {
        let client = pool.get().await?;
        host_node::begin(&client, clock.now()).await?;
        let kept = host_node::read(&client).await?;
        drop(client);
        let figures = Figures::look(Path::new(PROC), disk, None).map_err(Error::internal)?;
        let conditions = conditions(&figures, &[], clock.now());
        let closed = watch::Sender::new(closed(&kept.settings));
        let nodes = Self(Arc::new(Inner {
            disk: disk.to_owned(),
            name: facts::name(),
            versions: facts::versions(),
            gpu: facts::gpu(Path::new("/sys"), Path::new(PROC)),
            state: Mutex::new(State { kept, figures, conditions }),
            changes: watch::Sender::new(0),
            closed,
            pool,
            clock,
        }));
        let (follower, stop) = (nodes.clone(), tasks.stopping());
        tasks.start("host-figures", async move {
            tokio::select! { () = stop.cancelled() => {}, () = follower.follow() => {} }
        });
        Ok(nodes)
    }

    async fn follow(&self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let looked = self.look().await;
            if let (Err(error), false) = (&looked, failing) {
                tracing::warn!(error = %error, "the host cannot be looked at; trying again");
            }
            failing = looked.is_err();
        }
    }

    /// Looks at the host, and at what another process may have set.
    async fn look(&self) -> Result<(), Error> {
        let before = self.state().figures.clone();
        let figures = Figures::look(Path::new(PROC), &self.0.disk, Some(&before)).map_err(Error::internal)?;
        let now = self.0.clock.now();
        {
            let mut state = self.state();
            state.conditions = conditions(&figures, &state.conditions, now);
            state.figures = figures;
        }
        self.0.changes.send_modify(|count| *count += 1);
        let kept = host_node::read(&self.0.pool.get().await?).await?;
        self.take(kept);
        Ok(())
    }

    /// Takes in what is set on the host, unless something later is known.
    fn take(&self, kept: HostNode) {
        let mut state = self.state();
        if kept.version < state.kept.version {
            return;
        }
        let closed = closed(&kept.settings);
        state.kept = kept;
        // While the state is held, so that the last one to take it in is the last one told.
        self.0.closed.send_if_modified(|told| std::mem::replace(told, closed.clone()) != closed);
        drop(state);
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Nothing that is done while it is held panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self) -> Node {
        let State { kept, figures, conditions } = self.state().clone();
        let mut labels = kept.settings.labels.clone();
        labels.extend(facts::labels(&self.0.name, &self.0.versions));
        let gpus = self.0.gpu.as_ref().map(|gpu| gpu.count);
        let capacity = Amounts { gpus, ..figures.capacity };
        Node {
            name: self.0.name.clone(),
            resource_version: kept.version.to_string(),
            created_at: Some(kept.created_at),
            ready: conditions.iter().any(|condition| condition.type_ == "Ready" && condition.is_true()),
            schedulable: closed(&kept.settings).is_none(),
            roles: Vec::new(),
            labels,
            taints: kept.settings.taints,
            capacity,
            // Nothing is kept back for anybody else.
            allocatable: capacity,
            requested: Amounts::default(),
            used: Some(figures.used),
            pods: None,
            sessions: 0,
            versions: self.0.versions.clone(),
            provider: None,
            region: None,
            zone: None,
            gpu: self.0.gpu.clone(),
            conditions,
        }
    }

    fn check(&self, name: &str) -> Result<(), NodesError> {
        if name == self.0.name { Ok(()) } else { Err(NodesError::NotFound(name.to_owned())) }
    }

    /// Makes the change in one transaction with the event that tells of it.
    async fn write(&self, change: &Change, expected: Option<&str>) -> Result<(Changed, HostNode), NodesError> {
        let mut client = self.0.pool.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        let kept = host_node::lock(&transaction).await?;
        if expected.is_some_and(|expected| expected != kept.version.to_string()) {
            return Err(NodesError::Stale(self.0.name.clone()));
        }
        let before = kept.settings.clone();
        let Some(after) = before.after(change).map_err(NodesError::Refused)? else {
            return Ok((Changed { before, after: None }, kept));
        };
        let written = host_node::write(&transaction, &after).await?;
        let (reason, message) = event(change);
        host_node::tell(&transaction, self.0.clock.now(), reason, &message).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok((Changed { before, after: Some(after) }, written))
    }
}

/// Why no session starts on a host on which that is set. Sessions bear no taints.
fn closed(settings: &Settings) -> Option<String> {
    let keeps_away = |taint: &&Taint| taint.effect != Effect::PreferNoSchedule;
    if settings.unschedulable {
        return Some("This machine is cordoned: no session starts on it until an operator uncordons it.".to_owned());
    }
    let taint = settings.taints.iter().find(keeps_away)?;
    Some(format!("This machine has the taint “{}”: no session starts on it until an operator removes it.", taint.key))
}

/// How the host is, since the states of `before` changed or `now`.
fn conditions(figures: &Figures, before: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    let ready = ("Ready", true, "The platform runs on it.".to_owned());
    let since = |type_: &str, status: &str| {
        let same = before.iter().find(|condition| condition.type_ == type_ && condition.status == status);
        same.map_or(Some(now), |same| same.last_transition_time)
    };
    [ready]
        .into_iter()
        .chain(figures.pressures())
        .map(|(type_, holds, message)| {
            let status = Holds::from(holds).word();
            let reason = match (type_, holds) {
                ("Ready", _) => "PlatformRuns",
                (_, true) => "ShortOfIt",
                (_, false) => "HasEnough",
            };
            NodeCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message,
                last_transition_time: since(type_, status),
            }
        })
        .collect()
}

/// What is told of a change: a word and a sentence.
fn event(change: &Change) -> (&'static str, String) {
    match change {
        Change::Label { key, value } => ("Labelled", format!("The label {key}={value} was set.")),
        Change::Unlabel { key } => ("Unlabelled", format!("The label {key} was removed.")),
        Change::Taint(Taint { key, effect, .. }) => ("Tainted", format!("The taint {key}:{} was set.", effect.word())),
        Change::Untaint { key, effect } => {
            let effect = effect.map(|effect| format!(":{}", effect.word())).unwrap_or_default();
            ("Untainted", format!("The taint {key}{effect} was removed."))
        }
        Change::Cordon(true) => ("NodeNotSchedulable", "It was cordoned: no session starts on it.".to_owned()),
        Change::Cordon(false) => ("NodeSchedulable", "It was uncordoned: sessions start on it again.".to_owned()),
    }
}

#[async_trait]
impl Nodes for HostNodes {
    fn list(&self) -> Result<Vec<Found>, NodesError> {
        Ok(vec![Found { node: self.node(), requested: None }])
    }

    fn get(&self, name: &str) -> Result<Option<Found>, NodesError> {
        Ok((name == self.0.name).then(|| Found { node: self.node(), requested: None }))
    }

    fn pods(&self, _: &str) -> Result<Vec<NodePod>, NodesError> {
        Ok(Vec::new())
    }

    async fn events(&self, name: &str) -> Result<Vec<NodeEvent>, NodesError> {
        self.check(name)?;
        Ok(host_node::events(&self.0.pool.get().await.map_err(Error::from)?).await?)
    }

    async fn change(&self, name: &str, change: &Change, expected: Option<&str>) -> Result<Changed, NodesError> {
        self.check(name)?;
        if let Change::Taint(Taint { effect: Effect::NoExecute, .. }) = change {
            let instead = "NoExecute would end every session of this machine, which has no other to go to: drain it";
            return Err(NodesError::Refused(FieldError::new("effect", instead)));
        }
        let (changed, kept) = self.write(change, expected).await?;
        self.take(kept);
        Ok(changed)
    }

    async fn bound(&self, name: &str) -> Result<Vec<PodHere>, NodesError> {
        self.check(name)?;
        Ok(Vec::new())
    }

    async fn evict(&self, _: &PodHere, _: Option<u32>) -> Result<Eviction, NodesError> {
        // No pod is on a host.
        Ok(Eviction::Gone)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn closed(&self) -> watch::Receiver<Option<String>> {
        self.0.closed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_900_000_000, 0);
    const LATER: Timestamp = Timestamp::constant(1_900_000_100, 0);

    #[test]
    fn a_condition_keeps_its_time_until_its_state_changes() {
        let mut enough = Figures::default();
        enough.capacity = Amounts { memory_bytes: Some(4 << 30), storage_bytes: Some(100), ..Amounts::default() };
        enough.used = Amounts { memory_bytes: Some(1 << 30), storage_bytes: Some(10), ..Amounts::default() };
        enough.pids = (10, 1000);
        let first = conditions(&enough, &[], NOON);
        let since = |all: &[NodeCondition]| {
            all.iter().map(|one| (one.type_.clone(), one.status.clone(), one.last_transition_time)).collect::<Vec<_>>()
        };
        assert_eq!(since(&conditions(&enough, &first, LATER)), since(&first));
        let mut full = enough;
        full.used.storage_bytes = Some(95);
        let changed = conditions(&full, &first, LATER);
        let disk = changed.iter().find(|one| one.type_ == "DiskPressure").unwrap();
        assert_eq!((disk.status.as_str(), disk.last_transition_time), ("True", Some(LATER)));
        assert_eq!(changed[0].last_transition_time, Some(NOON));
    }

    #[test]
    fn sessions_are_kept_away_by_a_cordon_and_by_a_taint_that_keeps_away() {
        let tainted = |effect| Settings {
            taints: vec![Taint { key: "team".into(), value: String::new(), effect }],
            ..Settings::default()
        };
        assert_eq!(closed(&Settings::default()), None);
        assert_eq!(closed(&tainted(Effect::PreferNoSchedule)), None);
        assert!(closed(&tainted(Effect::NoSchedule)).unwrap().contains("team"));
        assert!(closed(&Settings { unschedulable: true, ..Settings::default() }).unwrap().contains("cordoned"));
    }
}
