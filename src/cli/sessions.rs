//! `streamspace sessions`: what the page does with sessions, for a script or a terminal.

use std::{io::Write, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    CliError,
    client::{Client, Output, Target, all, answer, send},
    table::{self, harmless},
};
use crate::{
    clock::Clock,
    crd::{Phase, Session},
    domain::{duration, names},
    services::sessions::shown_name,
};

const SESSIONS: &str = "/api/v1/sessions";
/// Pause between two looks at a session that is waited for.
const LOOK: Duration = Duration::from_millis(500);
/// Longest time that a log is followed; the server ends it with the session.
const FOLLOW_WITHIN: Duration = Duration::from_hours(24 * 7);

/// Sessions on a server that one is signed in to.
#[derive(Debug, clap::Args)]
pub(super) struct Sessions {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
    /// How answers are written.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// `streamspace logs`: what `streamspace sessions logs` does.
#[derive(Debug, clap::Args)]
pub(super) struct LogsOf {
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    target: Target,
}

impl From<LogsOf> for Sessions {
    fn from(LogsOf { logs, target }: LogsOf) -> Self {
        Self { action: Action::Logs(logs), target, output: Output::Table }
    }
}

/// `streamspace connect`: what `streamspace sessions connect` does.
#[derive(Debug, clap::Args)]
pub(super) struct ConnectTo {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    target: Target,
}

impl From<ConnectTo> for Sessions {
    fn from(ConnectTo { connect, target }: ConnectTo) -> Self {
        Self { action: Action::Connect(connect), target, output: Output::Table }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the sessions that you may see.
    List(List),
    /// Start a session from a template and print its id.
    Create(Create),
    /// Show one session.
    Get {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Stop a session and keep its files.
    Hibernate(Change),
    /// Start a hibernated session again.
    Wake(Change),
    /// Delete a session. Files in your home folder stay.
    Delete {
        #[arg(value_parser = id)]
        id: String,
    },
    /// Print what the session's program wrote.
    Logs(Logs),
    /// Wake a session and print the address at which a browser works in it: good for one visit within half a minute.
    Connect(Connect),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this phase, such as `Running`.
    #[arg(long)]
    phase: Option<String>,
    /// Only those made from this template.
    #[arg(long)]
    template: Option<String>,
    /// Only this person's.
    #[arg(long)]
    user: Option<String>,
    /// Only those in which these words occur.
    #[arg(long)]
    search: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The template's name, such as `terminal`.
    template: String,
    /// What it is to be called.
    #[arg(long)]
    name: Option<String>,
    /// Processors, such as `2` or `500m`.
    #[arg(long)]
    cpu: Option<String>,
    /// Memory, such as `2Gi`.
    #[arg(long)]
    memory: Option<String>,
    /// Hibernate after this long without activity, such as `30m`; `0s` for never.
    #[arg(long)]
    idle_timeout: Option<String>,
    /// A value of the template's launch form, as `name=value`; the value is read as JSON where it is some.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Value)>,
    /// The project that it is for.
    #[arg(long)]
    project: Option<String>,
    /// A word to find it by.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// An empty home that goes with the session.
    #[arg(long)]
    temporary_home: bool,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, clap::Args)]
struct Change {
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, clap::Args)]
struct Wait {
    /// Wait until it is so.
    #[arg(long)]
    wait: bool,
    /// Longest wait.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct Logs {
    #[arg(value_parser = id)]
    id: String,
    /// So many of the last lines.
    #[arg(long, default_value_t = 200)]
    tail: usize,
    /// Go on with lines to come.
    #[arg(short, long)]
    follow: bool,
    /// Begin each line with its time.
    #[arg(long)]
    timestamps: bool,
}

#[derive(Debug, clap::Args)]
struct Connect {
    #[arg(value_parser = id)]
    id: String,
}

/// A session's id: it becomes part of a URL.
fn id(text: &str) -> Result<String, String> {
    if names::is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("ids are made of a-z, 0-9 and hyphens: streamspace sessions list shows them".into())
    }
}

fn parameter(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

/// Runs one of them.
pub(super) fn run(sessions: Sessions, clock: &dyn Clock) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = sessions.target.client(clock.now())?;
    runtime.block_on(act(&Asking { client, output: sessions.output, now: clock.now() }, sessions.action))
}

/// Who is asked, and how the answer is to be shown.
#[derive(Debug)]
struct Asking {
    client: Client,
    output: Output,
    now: Timestamp,
}

async fn act(asking: &Asking, action: Action) -> Result<(), CliError> {
    match action {
        Action::List(list) => asking.show_all(&asking.list(&list).await?),
        Action::Create(create) => asking.create(create).await,
        Action::Get { id } => asking.show(&asking.get(&id).await?),
        Action::Hibernate(change) => asking.change(&change, "hibernated", Phase::Hibernated).await,
        Action::Wake(change) => asking.change(&change, "running", Phase::Running).await,
        Action::Delete { id } => {
            send(asking.client.request(Method::DELETE, &format!("{SESSIONS}/{id}"))?).await?;
            Ok(())
        }
        Action::Logs(logs) => asking.logs(&logs).await,
        Action::Connect(Connect { id }) => asking.connect(&id).await,
    }
}

/// The way into a session.
#[derive(Deserialize, Serialize)]
struct Opened {
    url: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Asking {
    async fn list(&self, list: &List) -> Result<Vec<Value>, CliError> {
        let filters = [
            ("phase", list.phase.as_deref()),
            ("template", list.template.as_deref()),
            ("user", list.user.as_deref()),
            ("search", list.search.as_deref()),
        ];
        let filters: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        all(&self.client, SESSIONS, &filters).await
    }

    async fn get(&self, id: &str) -> Result<Value, CliError> {
        answer(self.client.request(Method::GET, &format!("{SESSIONS}/{id}"))?).await
    }

    async fn create(&self, create: Create) -> Result<(), CliError> {
        let wait = create.wait.wait.then_some(create.wait.timeout);
        let made: Value = answer(self.client.request(Method::POST, SESSIONS)?.json(&wish(create))).await?;
        let id = session(&made)?.name_any();
        if matches!(self.output, Output::Table) {
            println!("{id}");
            eprintln!("open {}sessions/{id}", self.client.origin());
        }
        let made = match wait {
            Some(within) => self.until(&id, Phase::Running, within).await?,
            None => made,
        };
        if matches!(self.output, Output::Json) { self.show(&made) } else { Ok(()) }
    }

    async fn change(&self, change: &Change, state: &str, phase: Phase) -> Result<(), CliError> {
        let request = self.client.request(Method::PATCH, &format!("{SESSIONS}/{}", change.id))?;
        let mut changed: Value = answer(request.json(&json!({ "state": state }))).await?;
        if change.wait.wait {
            changed = self.until(&change.id, phase, change.wait.timeout).await?;
        }
        self.show(&changed)
    }

    /// Waits until the session is in that phase; one that fails on the way says why.
    async fn until(&self, id: &str, phase: Phase, within: Duration) -> Result<Value, CliError> {
        let waiting = async {
            loop {
                let object = self.get(id).await?;
                let session = session(&object)?;
                let now = session.phase();
                if now == phase {
                    return Ok(object);
                }
                if matches!(now, Phase::Failed | Phase::Terminated) {
                    let verdict = session.status.and_then(|status| status.doctor);
                    let why = verdict.map(|verdict| format!(": {} {}", verdict.message, verdict.remedy));
                    return Err(format!("{id} is {}{}", now.as_str(), harmless(&why.unwrap_or_default())).into());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let late = |_| format!("{id} is not {} after {}", phase.as_str(), duration::short(within));
        tokio::time::timeout(within, waiting).await.map_err(late)?
    }

    async fn logs(&self, logs: &Logs) -> Result<(), CliError> {
        let mut request = self.client.request(Method::GET, &format!("{SESSIONS}/{}/logs", logs.id))?;
        request = request.query(&[("tail", logs.tail)]);
        request = request.query(&[("follow", logs.follow), ("timestamps", logs.timestamps)]);
        if logs.follow {
            request = request.timeout(FOLLOW_WITHIN);
        }
        let mut response = send(request).await?;
        let mut out = std::io::stdout().lock();
        while let Some(lines) = response.chunk().await? {
            out.write_all(&lines)?;
            out.flush()?;
        }
        Ok(())
    }

    async fn connect(&self, id: &str) -> Result<(), CliError> {
        let request = self.client.request(Method::POST, &format!("{SESSIONS}/{id}/connect"))?;
        let opened: Opened = answer(request).await?;
        match self.output {
            Output::Table => println!("{}", harmless(&opened.url)),
            Output::Json => table::json(&mut std::io::stdout(), &opened)?,
        }
        Ok(())
    }

    fn show_all(&self, sessions: &[Value]) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        if matches!(self.output, Output::Json) {
            return Ok(table::json(&mut out, sessions)?);
        }
        let rows = sessions.iter().map(|object| Ok(row(&session(object)?, self.now)));
        let rows = rows.collect::<Result<Vec<_>, CliError>>()?;
        Ok(table::write(&mut out, ["ID", "NAME", "USER", "TEMPLATE", "STATE", "AGE"], &rows)?)
    }

    fn show(&self, object: &Value) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        if matches!(self.output, Output::Json) {
            return Ok(table::json(&mut out, object)?);
        }
        for (name, value) in facts(&session(object)?, &self.client) {
            writeln!(out, "{name:10}{}", harmless(&value))?;
        }
        Ok(())
    }
}

/// The body of a request for a new session.
fn wish(create: Create) -> Value {
    let mut wish = json!({
        "template": create.template,
        "persistentHome": !create.temporary_home,
        "parameters": create.parameters.into_iter().collect::<Map<_, _>>(),
        "tags": create.tags,
    });
    let mut set = |pointer: [&str; 2], value: Option<String>| {
        if let Some(value) = value {
            let field = &mut wish[pointer[0]];
            *(if pointer[1].is_empty() { field } else { &mut field[pointer[1]] }) = value.into();
        }
    };
    set(["displayName", ""], create.name);
    set(["idleTimeout", ""], create.idle_timeout);
    set(["project", ""], create.project);
    set(["resources", "cpu"], create.cpu);
    set(["resources", "memory"], create.memory);
    wish
}

/// The object as this version knows it.
fn session(object: &Value) -> Result<Session, CliError> {
    Ok(Session::deserialize(object)?)
}

fn row(session: &Session, now: Timestamp) -> [String; 6] {
    let age = session.creation_timestamp().and_then(|created| Duration::try_from(now.duration_since(created.0)).ok());
    let cells = [
        &session.name_any(),
        shown_name(session),
        &session.spec.user,
        &session.spec.template,
        &state(session),
        &age.map(coarse).unwrap_or_default(),
    ];
    cells.map(harmless)
}

/// The phase, and what is the matter where something is.
fn state(session: &Session) -> String {
    let phase = session.phase().as_str();
    match session.status.as_ref().and_then(|status| status.doctor.as_ref()) {
        Some(verdict) => format!("{phase} ({:?})", verdict.reason),
        None => phase.to_owned(),
    }
}

/// A duration in its largest unit, for a column.
fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// What is told of one session, in its order.
fn facts(session: &Session, client: &Client) -> Vec<(&'static str, String)> {
    let status = session.status.clone().unwrap_or_default();
    let mut facts = vec![
        ("id", session.name_any()),
        ("name", shown_name(session).to_owned()),
        ("user", session.spec.user.clone()),
        ("template", session.spec.template.clone()),
        ("state", state(session)),
        ("page", format!("{}sessions/{}", client.origin(), session.name_any())),
    ];
    if let Some(idle) = status.idle {
        facts.push(("idle", idle.cause));
        facts.extend(idle.stops_at.map(|moment| ("stops at", moment.0.to_string())));
    }
    if let Some(verdict) = status.doctor {
        facts.extend([("trouble", verdict.message), ("remedy", verdict.remedy)]);
    }
    facts
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sessions: Sessions,
    }

    fn asked(arguments: &str) -> Result<Sessions, clap::Error> {
        Ok(Line::try_parse_from(["sessions"].into_iter().chain(arguments.split(' ')))?.sessions)
    }

    #[test]
    fn a_wish_holds_what_was_asked_and_leaves_the_rest_to_the_server() {
        let wish = |arguments: &str| match asked(arguments).unwrap().action {
            Action::Create(create) => wish(create),
            other => panic!("{other:?}"),
        };
        let plain = json!({ "template": "desktop", "persistentHome": true, "parameters": {}, "tags": [] });
        assert_eq!(wish("create desktop"), plain);
        let all = "create desktop --name Mine --project laser --memory 1Gi --idle-timeout 0s --temporary-home --tag a --tag b \
                   --parameter count=3 --parameter url=https://a.test/?b=c";
        let expected = json!({
            "template": "desktop", "displayName": "Mine", "project": "laser", "resources": { "memory": "1Gi" }, "idleTimeout": "0s",
            "persistentHome": false, "parameters": { "count": 3, "url": "https://a.test/?b=c" }, "tags": ["a", "b"],
        });
        assert_eq!(wish(&all.replace("                   ", "")), expected);
    }

    #[test]
    fn what_is_no_id_does_not_become_part_of_a_url() {
        assert!(asked("get alice-terminal-00000001 -o json").is_ok());
        for other in ["..", "a/b", "a?b", "A"] {
            assert!(asked(&format!("delete {other}")).is_err(), "{other}");
        }
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let ages = [0, 59, 60, 3_599, 3_600, 86_399, 86_400].map(|seconds| coarse(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "23h", "1d"]);
    }
}
