//! What the server, the holder and the init process inside say to each other: JSON, one object a line.
//!
//! A holder outlives the server that started it and may meet a newer one: fields are added, never changed, and each
//! line carries [`VERSION`].

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    crd::Reason,
    engine::{Ending, SessionId, Stage, Workload, WorkloadState},
};

/// Version of what is written here.
pub(super) const VERSION: u32 = 1;

/// Everything a holder has to know. The server writes it to `spec.json` and hands that file over as standard input;
/// the lock on it, held as long as the holder lives, is how the next server knows that there is a holder.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Spec {
    pub(super) version: u32,
    pub(super) workload: Workload,
    /// The boot of the host it was started in.
    pub(super) boot: String,
    /// The uid (and gid) on the host that everything of the session runs as. `None`: the server's own.
    pub(super) uid: Option<u32>,
    /// Files `cgroup.procs` to enter, empty where limits are not enforced.
    pub(super) cgroups: Vec<PathBuf>,
    /// Why limits are not enforced.
    pub(super) limits_missing: Option<String>,
    /// File with the count of processes that were killed for want of memory.
    pub(super) oom_count: Option<PathBuf>,
    /// This binary, where the uid can read it.
    pub(super) program: PathBuf,
    /// `bwrap`.
    pub(super) bwrap: PathBuf,
    /// `slirp4netns`, where it is installed.
    pub(super) slirp: Option<PathBuf>,
    /// The holder's own folder: output, `holder.json`, `exit.json`.
    pub(super) record: PathBuf,
    /// Folder of the sockets.
    pub(super) sockets: PathBuf,
    /// The home, outside.
    pub(super) home: PathBuf,
    /// Largest size of a file, in bytes; 0 = no bound.
    pub(super) largest_file: u64,
    /// Programs that the setup brought beyond the system's, each in a folder of its own with a `bin` in it.
    pub(super) tools: Option<PathBuf>,
    /// How long the first port may take to open, in milliseconds.
    pub(super) port_deadline_ms: u64,
    /// Networks that the session does not reach, beside those that are refused on every host.
    #[serde(default)]
    pub(super) refused_networks: Vec<String>,
    /// How far the server's clock was ahead of the host's at the start: the holder tells the server's time.
    #[serde(default)]
    pub(super) clock_ahead: SignedDuration,
}

/// How a holder is known later: written by the holder to `holder.json` before anything else.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Identity {
    pub(super) version: u32,
    pub(super) run: i64,
    pub(super) pid: i32,
    /// Start of the process in clock ticks since the boot, as in `/proc/{pid}/stat`.
    pub(super) start_time: u64,
    pub(super) boot: String,
}

/// Where a run stands: sent by the holder to whoever connects, and again at each change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Status {
    pub(super) version: u32,
    pub(super) run: i64,
    /// When the program was started. `None`: not yet.
    pub(super) started_at: Option<Timestamp>,
    pub(super) listening: bool,
    pub(super) stopping: bool,
    pub(super) network_missing: Option<String>,
    /// Host pid of the first process inside. `None`: none yet.
    pub(super) inner_pid: Option<i32>,
    /// Set once the run is over and `exit.json` is written.
    pub(super) exit: Option<Exit>,
}

/// How a run ended; `exit.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Exit {
    pub(super) version: u32,
    pub(super) run: i64,
    pub(super) ending: Ending,
}

/// What the server asks of a holder.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub(super) enum Order {
    /// End the run: SIGTERM and SIGHUP to all inside, SIGKILL after `grace_ms`.
    Stop {
        version: u32,
        grace_ms: u64,
        /// Why, where it was not simply asked.
        verdict: Option<Verdict>,
    },
    /// Write a line of the platform's own into the output.
    Note { version: u32, text: String },
}

/// A cause and the sentence to it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Verdict {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The ending of a run that could not begin.
    pub(super) fn at(self, at: Timestamp) -> Ending {
        Ending { reason: Some(self.reason), message: self.message, exit_code: None, at }
    }
}

/// From the holder to the init process: first one `Start`, then at most one `Stop`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub(super) enum ToInit {
    /// The go-ahead: network and limits are in force.
    Start(Program),
    /// End everything, at the latest after `grace_ms`.
    Stop { grace_ms: u64 },
}

/// What the init process starts.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Program {
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: String,
    /// Ports that may be dialled; the first is watched until it opens.
    pub(super) ports: Vec<u16>,
}

/// From the init process to the holder.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(super) enum FromInit {
    /// The sandbox is made, its loopback device too; the order to start is awaited.
    Ready,
    /// The program was started.
    Started,
    /// It could not be: `missing` if there is no such program.
    NotStarted { missing: bool, message: String },
    /// The first port accepts connections.
    Listening,
    /// The program ended: with a status, or by a signal.
    Ended { code: Option<i32>, signal: Option<i32> },
}

/// The state that the port shows of a run.
pub(super) fn state(workload: &Workload, node: &str, stage: Stage) -> WorkloadState {
    WorkloadState {
        session: workload.session.clone(),
        session_uid: workload.session_uid.clone(),
        run: workload.run,
        kind: "Sandbox".into(),
        name: workload.session.0.clone(),
        node: Some(node.to_owned()),
        started_at: None,
        stage,
        limits_missing: None,
        trouble: None,
        network_missing: None,
    }
}

/// Names that may stand in a path: lower-case letters, digits and hyphens, at most 200, no hyphen first.
pub(super) fn is_safe_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=200).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-')
}

/// The lines that are complete in `buffer`, taken out of it. What is no message of kind `T` is left out.
pub(super) fn take_lines<T: for<'de> Deserialize<'de>>(buffer: &mut Vec<u8>) -> Vec<T> {
    let Some(end) = buffer.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = buffer.drain(..=end).collect();
    whole.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// `message` as a line.
pub(super) fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The state of `session` when a holder reports `status`.
pub(super) fn state_of(spec: &Spec, node: &str, status: &Status) -> WorkloadState {
    let stage = match (&status.exit, status.stopping, status.started_at) {
        (Some(exit), _, _) => Stage::Ended(exit.ending.clone()),
        (None, true, _) => Stage::Stopping,
        (None, false, Some(_)) => Stage::Running { listening: status.listening },
        (None, false, None) => Stage::Preparing { waiting_for: "Starting the sandbox".into() },
    };
    WorkloadState {
        started_at: status.started_at,
        limits_missing: spec.limits_missing.clone(),
        network_missing: status.network_missing.clone(),
        ..state(&spec.workload, node, stage)
    }
}

/// Whether a session id may stand in a path.
pub(super) fn check(session: &SessionId) -> Result<(), crate::engine::EngineError> {
    if is_safe_name(&session.0) {
        return Ok(());
    }
    Err(crate::engine::EngineError::Failed(format!("{:?} is not a session's name", session.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_a_folder_are_refused() {
        for good in ["alice-terminal-00000001", "home-alice", "0"] {
            assert!(is_safe_name(good), "{good}");
        }
        for bad in ["", "..", "a/b", "-rf", "A", "a.b", "a\0", &"x".repeat(201)] {
            assert!(!is_safe_name(bad), "{bad}");
        }
    }

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let whole = line(&Status { run: 7, ..Status::default() });
        let (first, second) = whole.split_at(9);
        let mut buffer = first.to_vec();
        assert!(take_lines::<Status>(&mut buffer).is_empty());
        buffer.extend_from_slice(second);
        assert_eq!(take_lines::<Status>(&mut buffer).iter().map(|s| s.run).collect::<Vec<_>>(), [7]);
        assert!(buffer.is_empty());
    }
}
