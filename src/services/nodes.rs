//! Nodes, as people look at them and act on them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::ResourceExt;
use serde::Serialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{
    audit::{self, Entry, Outcome},
    rights, sessions,
};
use crate::{
    App, Error,
    auth::Caller,
    config::EngineKind,
    crd::{Phase, Session},
    domain::{
        nodes::{
            Amounts, Node, NodeEvent, NodePod, NodeStats,
            change::{Change, Settings},
        },
        session,
    },
    nodes::{Changed, Found, NodesError},
};

/// The feed tells the figures at least this often.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Changes that come within this time are told together.
const TOGETHER: Duration = Duration::from_millis(500);

/// A session on a node.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSession {
    /// Its name.
    pub name: String,
    /// What people see: its display name, else its template's name.
    pub display_name: String,
    /// Whose it is.
    pub user: String,
    /// Its template.
    pub template: String,
    /// Its phase.
    #[schema(value_type = String, example = "Running")]
    pub phase: Phase,
    /// Since when it runs there.
    pub started_at: Option<jiff::Timestamp>,
}

/// A node with what is on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDetail {
    /// The node.
    #[serde(flatten)]
    pub node: Node,
    /// The sessions on it that the caller may see.
    pub sessions_here: Vec<NodeSession>,
    /// The pods on it that have not ended; none on one machine.
    pub pods_here: Vec<NodePod>,
    /// What happened to it lately, newest first.
    pub events: Vec<NodeEvent>,
}

/// The node on which a session has something running.
pub(super) fn place(session: &Session) -> Option<&str> {
    session.status.as_ref()?.workload.as_ref()?.node.as_deref()
}

/// The sessions that run on that node, or are about to: on one machine one that starts has no other place.
pub(super) fn sessions_on(app: &App, node: &str) -> Vec<Arc<Session>> {
    let starts_here = app.config.engine.kind() == EngineKind::Local;
    let here = |session: &Arc<Session>| match place(session) {
        Some(place) => place == node,
        None => starts_here && session.phase() == Phase::Starting,
    };
    app.sessions.snapshot(None).into_iter().filter(here).collect()
}

/// What runs on each node.
struct Load {
    sessions: HashMap<String, Vec<Arc<Session>>>,
}

impl Load {
    fn now(app: &App) -> Self {
        let mut sessions: HashMap<String, Vec<Arc<Session>>> = HashMap::new();
        for session in app.sessions.snapshot(None) {
            if let Some(node) = place(&session) {
                sessions.entry(node.to_owned()).or_default().push(session);
            }
        }
        Self { sessions }
    }

    fn on(&self, node: &str) -> &[Arc<Session>] {
        self.sessions.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The node with what the sessions tell about it.
    fn complete(&self, app: &App, found: Found) -> Node {
        let Found { node, requested } = found;
        let here = self.on(&node.name);
        Node {
            sessions: u32::try_from(here.len()).unwrap_or(u32::MAX),
            requested: requested.unwrap_or_else(|| asked(app, here)),
            ..node
        }
    }
}

/// What `sessions` may use together, which is what they asked for.
fn asked(app: &App, sessions: &[Arc<Session>]) -> Amounts {
    let of = |session: &Arc<Session>| {
        let template = app.templates.peek(&session.spec.template)?;
        let resolved = session::resolve(&session.spec, &template.spec, &app.settings.now().ceilings()).ok()?;
        Some(Amounts {
            cpu_millis: Some(resolved.cpu_millicores),
            memory_bytes: Some(resolved.memory_bytes),
            gpus: Some(u64::from(resolved.gpus)).filter(|gpus| *gpus > 0),
            ..Amounts::default()
        })
    };
    let nothing = Amounts { cpu_millis: Some(0), memory_bytes: Some(0), ..Amounts::default() };
    sessions.iter().filter_map(of).fold(nothing, |sum, one| sum.plus(&one))
}

/// Every node, sorted by name.
pub fn list(app: &App) -> Result<Vec<Node>, Error> {
    let load = Load::now(app);
    Ok(app.nodes.list()?.into_iter().map(|found| load.complete(app, found)).collect())
}

/// The sums over all nodes.
pub fn stats(app: &App) -> Result<NodeStats, Error> {
    Ok(NodeStats::of(&list(app)?))
}

/// The node of that name with what is on it.
pub async fn get(app: &App, caller: &Caller, name: &str) -> Result<NodeDetail, Error> {
    let (load, node) = one(app, name)?;
    let visible = load.on(name).iter().filter(|session| rights::sees(caller, session));
    Ok(NodeDetail {
        sessions_here: visible.map(|session| shown(session)).collect(),
        pods_here: app.nodes.pods(name)?,
        events: app.nodes.events(name).await?,
        node,
    })
}

fn one(app: &App, name: &str) -> Result<(Load, Node), Error> {
    let found = app.nodes.get(name)?.ok_or_else(|| Error::not_found("node", name))?;
    let load = Load::now(app);
    let node = load.complete(app, found);
    Ok((load, node))
}

fn shown(session: &Session) -> NodeSession {
    let workload = session.status.as_ref().and_then(|status| status.workload.as_ref());
    NodeSession {
        name: session.name_any(),
        display_name: sessions::shown_name(session).to_owned(),
        user: session.spec.user.clone(),
        template: session.spec.template.clone(),
        phase: session.phase(),
        started_at: workload.and_then(|workload| workload.started_at.as_ref()).map(|time| time.0),
    }
}

/// What the audit calls a change.
const fn action(change: &Change) -> &'static str {
    match change {
        Change::Label { .. } => "node.label",
        Change::Unlabel { .. } => "node.unlabel",
        Change::Taint(_) => "node.taint",
        Change::Untaint { .. } => "node.untaint",
        Change::Cordon(true) => "node.cordon",
        Change::Cordon(false) => "node.uncordon",
    }
}

/// Makes a change, and answers the node as it is then. What is so already is left as it is, and not written down;
/// what was refused is.
///
/// `expected`: the `resourceVersion` that the caller has seen.
pub async fn change(
    app: &App,
    caller: &Caller,
    name: &str,
    change: &Change,
    expected: Option<&str>,
) -> Result<Node, Error> {
    let before = before(app, name);
    match app.nodes.change(name, change, expected).await {
        Ok(Changed { after: None, .. }) => {}
        Ok(Changed { before, after: Some(after) }) => {
            record(app, caller, Entry::new(action(change), target(name)).before(&before).after(&after)).await?;
        }
        Err(error) => {
            let result = if is_refusal(&error) { Outcome::Refused } else { Outcome::Failed };
            let entry = Entry { result, ..Entry::new(action(change), target(name)) };
            let entry = before.iter().fold(entry, Entry::before);
            record(app, caller, entry.after(&json!({ "asked": change, "reason": error.to_string() }))).await?;
            return Err(error.into());
        }
    }
    Ok(one(app, name)?.1)
}

fn target(name: &str) -> String {
    format!("node/{name}")
}

/// What people have set on the node of that name, as it is shown; `None` where it is not known.
pub(super) fn before(app: &App, name: &str) -> Option<Settings> {
    let Node { labels, taints, schedulable, .. } = app.nodes.get(name).ok()??.node;
    Some(Settings { labels, taints, unschedulable: !schedulable })
}

const fn is_refusal(error: &NodesError) -> bool {
    match error {
        NodesError::NotFound(_) | NodesError::Stale(_) | NodesError::Refused(_) => true,
        NodesError::Unavailable(_) | NodesError::Database(_) => false,
    }
}

async fn record(app: &App, caller: &Caller, entry: Entry) -> Result<(), Error> {
    audit::record(&app.pool.get().await?, caller, entry).await
}

/// Refuses what would start a session while none can be started at all.
///
/// # Errors
/// [`Error::CannotRunHere`] saying why, and who can change it.
pub fn require_open(app: &App) -> Result<(), Error> {
    match &*app.nodes.closed().borrow() {
        None => Ok(()),
        Some(why) => Err(Error::CannotRunHere(why.clone())),
    }
}

/// Tells the readers of the feed about the nodes, whenever something is otherwise and every 5 s, until `stop`.
pub async fn tell(app: App, stop: CancellationToken) {
    let mut changes = app.nodes.changes();
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => false,
            changed = changes.changed() => changed.is_ok(),
        };
        // As long as nobody knows the nodes there is nothing to tell.
        if let Ok(nodes) = list(&app) {
            app.hub.cluster(&nodes, &NodeStats::of(&nodes));
        }
        if changed {
            sleep(TOGETHER).await;
        }
    }
}
