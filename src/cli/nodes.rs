//! `streamspace nodes`: the machines that sessions run on, for those who run the place.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CliError,
    client::{Client, Output, Target, all, answer},
    table::{self, harmless},
};
use crate::{clock::Clock, domain::names};

const NODES: &str = "/api/admin/nodes";
const JOBS: &str = "/api/v1/jobs";
/// Pause between two looks at a drain that is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Nodes of a server that one is signed in to.
#[derive(Debug, clap::Args)]
pub(super) struct Nodes {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
    /// How answers are written.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the nodes.
    List {
        /// Only those in whose name, roles, places or labels these words occur.
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one node.
    Show {
        #[arg(value_parser = name)]
        name: String,
    },
    /// Keep new sessions away; those that run go on.
    Cordon {
        #[arg(value_parser = name)]
        name: String,
    },
    /// Let sessions come again.
    Uncordon {
        #[arg(value_parser = name)]
        name: String,
    },
    /// Empty a node: cordon it, tell the people in its sessions, and have everything leave.
    Drain(Drain),
}

#[derive(Debug, clap::Args)]
struct Drain {
    #[arg(value_parser = name)]
    name: String,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// What becomes of the sessions.
    #[arg(long, value_parser = ["hibernate", "migrate", "wait"], default_value = "hibernate")]
    strategy: String,
    /// Minutes that people who are in a session are given.
    #[arg(long)]
    warn_minutes: Option<u32>,
    /// Seconds after which it has failed.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Seconds that an evicted pod may take to end.
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u32>,
    /// Evict pods too that nothing makes again.
    #[arg(long)]
    force: bool,
    /// Evict pods too that keep data in emptyDir volumes, which goes with them.
    #[arg(long)]
    delete_emptydir_data: bool,
    /// Take pods of DaemonSets for an obstacle.
    #[arg(long)]
    heed_daemonsets: bool,
    /// Wait for its end; it fails where the drain does.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// A node's name: it becomes part of a URL.
fn name(text: &str) -> Result<String, String> {
    let labels = text.split('.').all(names::is_dns_label);
    if labels {
        Ok(text.to_owned())
    } else {
        Err("that is no name of a node: streamspace nodes list shows them".into())
    }
}

/// Runs one of them.
pub(super) fn run(nodes: Nodes, clock: &dyn Clock) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = nodes.target.client(clock.now())?;
    runtime.block_on(act(&client, nodes.output, nodes.action))
}

async fn act(client: &Client, output: Output, action: Action) -> Result<(), CliError> {
    match action {
        Action::List { search } => {
            let filters: Vec<_> = search.as_deref().map(|words| ("search", words)).into_iter().collect();
            show_all(output, &all(client, NODES, &filters).await?)
        }
        Action::Show { name } => show(output, &answer(client.request(Method::GET, &format!("{NODES}/{name}"))?).await?),
        Action::Cordon { name } => show(output, &post(client, &name, "cordon").await?),
        Action::Uncordon { name } => show(output, &post(client, &name, "uncordon").await?),
        Action::Drain(wanted) => drain(client, output, wanted).await,
    }
}

async fn post(client: &Client, name: &str, what: &str) -> Result<Value, CliError> {
    answer(client.request(Method::POST, &format!("{NODES}/{name}/{what}"))?).await
}

/// The body of a request for a drain: what was not said is the server's to choose.
fn wish(drain: &Drain) -> Value {
    let mut wish = json!({
        "strategy": drain.strategy, "dryRun": drain.dry_run, "force": drain.force,
        "deleteEmptyDirData": drain.delete_emptydir_data, "ignoreDaemonSets": !drain.heed_daemonsets,
    });
    let numbers = [
        ("warnMinutes", drain.warn_minutes),
        ("timeoutSeconds", drain.timeout),
        ("gracePeriodSeconds", drain.grace_period),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            wish[field] = number.into();
        }
    }
    wish
}

async fn drain(client: &Client, output: Output, wanted: Drain) -> Result<(), CliError> {
    let path = format!("{NODES}/{}/drain", wanted.name);
    let told: Value = answer(client.request(Method::POST, &path)?.json(&wish(&wanted))).await?;
    if wanted.dry_run {
        show_told(output, &told, &told)?;
        let possible = told["possible"] == true;
        return if possible { Ok(()) } else { Err(obstacles(&told).into()) };
    }
    let id = text(&told, "id").to_owned();
    if !wanted.wait {
        match output {
            Output::Table => println!("{}", harmless(&id)),
            Output::Json => table::json(&mut std::io::stdout(), &told)?,
        }
        return Ok(());
    }
    let ended = until_ended(client, &id).await?;
    show_told(output, &ended, &ended["result"])?;
    match text(&ended, "status") {
        "SUCCEEDED" => Ok(()),
        other => Err(format!("the drain is {other}: {}", harmless(text(&ended, "error"))).into()),
    }
}

/// A drain has a time of its own, after which it has failed: no other is needed here.
async fn until_ended(client: &Client, id: &str) -> Result<Value, CliError> {
    loop {
        let job: Value = answer(client.request(Method::GET, &format!("{JOBS}/{id}"))?).await?;
        if job["finishedAt"].is_string() {
            return Ok(job);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn obstacles(plan: &Value) -> String {
    let all: Vec<&str> = plan["obstacles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    harmless(&all.join(" "))
}

/// What a plan or a result tells of sessions and of the other pods.
fn show_told(output: Output, whole: &Value, told: &Value) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    if matches!(output, Output::Json) {
        return Ok(table::json(&mut out, whole)?);
    }
    let sessions = told["sessions"].as_array().into_iter().flatten();
    let pods = told["pods"].as_array().into_iter().flatten().filter(|pod| pod["session"].is_null());
    let sessions = sessions.map(|one| [text(one, "name").to_owned(), text(one, "user").to_owned(), step(one)]);
    let pods = pods.map(|one| [format!("{}/{}", text(one, "namespace"), text(one, "name")), String::new(), step(one)]);
    let rows: Vec<[String; 3]> = sessions.chain(pods).map(|row| row.map(|cell| harmless(&cell))).collect();
    Ok(table::write(&mut out, ["WHAT", "USER", "STEP"], &rows)?)
}

/// How far it is, and what is in the way.
fn step(entry: &Value) -> String {
    let budgets: Vec<&str> = entry["blockedBy"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let blocked = (!budgets.is_empty()).then(|| format!("blocked by {}", budgets.join(", ")));
    let message = Some(text(entry, "message")).filter(|text| !text.is_empty()).map(str::to_owned);
    let step = text(entry, "step");
    message.or(blocked).map_or_else(|| step.to_owned(), |why| format!("{step}: {why}"))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// What of a node stands in a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    ready: bool,
    schedulable: bool,
    #[serde(default)]
    roles: Vec<String>,
    sessions: u32,
    pods: Option<u32>,
    #[serde(default)]
    allocatable: Amounts,
    #[serde(default)]
    requested: Amounts,
    zone: Option<String>,
}

#[derive(Default, Deserialize)]
struct Amounts {
    cpu: Option<String>,
    memory: Option<String>,
}

impl Listed {
    fn state(&self) -> &'static str {
        match (self.ready, self.schedulable) {
            (true, true) => "Ready",
            (true, false) => "Ready, cordoned",
            (false, true) => "NotReady",
            (false, false) => "NotReady, cordoned",
        }
    }

    fn row(self) -> [String; 7] {
        let of = |part: Option<String>, whole: Option<String>| {
            let dash = || "-".to_owned();
            format!("{}/{}", part.unwrap_or_else(dash), whole.unwrap_or_else(dash))
        };
        let state = self.state().to_owned();
        let pods = self.pods.map(|pods| pods.to_string()).unwrap_or_default();
        let cpu = of(self.requested.cpu, self.allocatable.cpu);
        let memory = of(self.requested.memory, self.allocatable.memory);
        let roles = self.roles.into_iter().chain(self.zone).collect::<Vec<_>>().join(" ");
        [self.name, state, self.sessions.to_string(), pods, cpu, memory, roles].map(|cell| harmless(&cell))
    }
}

fn show_all(output: Output, nodes: &[Value]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    if matches!(output, Output::Json) {
        return Ok(table::json(&mut out, nodes)?);
    }
    let rows = nodes.iter().map(|node| Ok(Listed::deserialize(node)?.row())).collect::<Result<Vec<_>, CliError>>()?;
    Ok(table::write(&mut out, ["NAME", "STATE", "SESSIONS", "PODS", "CPU", "MEMORY", "ROLES, ZONE"], &rows)?)
}

fn show(output: Output, node: &Value) -> Result<(), CliError> {
    match output {
        Output::Table => show_all(output, std::slice::from_ref(node)),
        Output::Json => Ok(table::json(&mut std::io::stdout(), node)?),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        nodes: Nodes,
    }

    fn asked(arguments: &str) -> Result<Action, clap::Error> {
        Ok(Line::try_parse_from(["nodes"].into_iter().chain(arguments.split(' ')))?.nodes.action)
    }

    #[test]
    fn a_wish_leaves_to_the_server_what_was_not_said() {
        let wished = |arguments: &str| match asked(arguments).unwrap() {
            Action::Drain(drain) => wish(&drain),
            other => panic!("{other:?}"),
        };
        let plain = json!({
            "strategy": "hibernate", "dryRun": false, "force": false, "deleteEmptyDirData": false,
            "ignoreDaemonSets": true,
        });
        assert_eq!(wished("drain a"), plain);
        let all = "drain a.example --dry-run --strategy migrate --warn-minutes 0 --timeout 60 --grace-period 1 --force";
        let expected = json!({
            "strategy": "migrate", "dryRun": true, "force": true, "deleteEmptyDirData": false, "ignoreDaemonSets": true,
            "warnMinutes": 0, "timeoutSeconds": 60, "gracePeriodSeconds": 1,
        });
        assert_eq!(wished(all), expected);
        assert!(asked("drain a --strategy explode").is_err());
        assert!(asked("drain ../a").is_err() && asked("show a/b").is_err());
    }

    #[test]
    fn a_step_says_what_is_in_its_way() {
        assert_eq!(step(&json!({ "step": "evict" })), "evict");
        assert_eq!(step(&json!({ "step": "move", "blockedBy": ["a", "b"] })), "move: blocked by a, b");
        assert_eq!(step(&json!({ "step": "skip", "message": "A DaemonSet." })), "skip: A DaemonSet.");
    }
}
