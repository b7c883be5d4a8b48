//! What the host doctor finds: whether a machine can run the server and its sessions.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about: a word or two, such as `database` or `template desktop`.
    pub subject: String,
    /// How it stands.
    pub standing: Standing,
    /// A sentence: what was found.
    pub message: String,
    /// What to do about it, a command where there is one. `None`: nothing has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// As it should be.
    Good,
    /// The server runs, and something is missing from what it can do.
    Limited,
    /// The server, or every session, cannot run.
    Broken,
}

impl Finding {
    /// As it should be.
    pub fn good(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), standing: Standing::Good, message: message.into(), remedy: None }
    }

    /// Something is missing.
    pub fn limited(subject: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { subject: subject.into(), standing: Standing::Limited, message: message.into(), remedy }
    }

    /// It cannot run like this; `error` says what to do as well.
    pub fn refused(subject: impl Into<String>, error: impl ToString) -> Self {
        Self { standing: Standing::Broken, ..Self::good(subject, error.to_string()) }
    }

    /// It cannot run like this.
    pub fn broken(subject: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { standing: Standing::Broken, ..Self::limited(subject, message, remedy) }
    }
}
