//! Why a request failed: one enum for services and everything below them, given a status in one place.

use crate::{
    domain::quota::Exceeded,
    engine::EngineError,
    nodes::NodesError,
    objects::{FieldError, ObjectError, ResourceError},
};

/// Why a request failed. `Display` is written for the person; `source()` goes to the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The request cannot be read at all.
    #[error("{0}")]
    BadRequest(String),
    /// No sign-in, or one that is no longer good.
    #[error("sign in first")]
    Unauthenticated,
    /// The name and the password do not go together, or the account is locked for a while.
    #[error("{0}")]
    SignInRefused(String),
    /// The caller may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// Nobody may do that here as things are set up.
    #[error("{0}")]
    NotAllowed(String),
    /// A limit of the owner's, or of a group of theirs, does not allow it.
    #[error("{0}: {rest}", rest = remedy(.0))]
    QuotaExceeded(Box<Exceeded>),
    /// There is none, or the caller may not know of it.
    #[error("{kind} {name} does not exist")]
    NotFound {
        /// What was asked for, such as `session`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is taken.
    #[error("{kind} {name} exists already")]
    AlreadyExists {
        /// The kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The state of the thing does not allow that.
    #[error("{0}")]
    Conflict(String),
    /// `If-Match` names another version.
    #[error("it was changed meanwhile: read it again and repeat the change")]
    Stale,
    /// An `Idempotency-Key` was used before with another request.
    #[error("this Idempotency-Key was used before with another request: take a new one")]
    KeyReused,
    /// The first request with this `Idempotency-Key` has not ended.
    #[error("the first request with this Idempotency-Key is still under way: ask again in a moment")]
    KeyInFlight,
    /// Too many requests.
    #[error("too many requests: wait {retry_after_s} s")]
    TooMany {
        /// Seconds until the next is welcome.
        retry_after_s: u64,
    },
    /// A program is missing on the host, or a grant of an administrator.
    #[error("{0}")]
    CannotRunHere(String),
    /// What is asked for is a cluster's, and there is none.
    #[error("this server runs sessions on one machine: there is no cluster behind it")]
    NoCluster,
    /// The database did not answer. A statement that it refuses is [`Error::Internal`].
    #[error("the database did not answer: try again in a moment")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine failed.
    #[error("{0}")]
    Engine(#[source] EngineError),
    /// Something is not ready yet, such as a watch that has not caught up.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of ours.
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One wrong field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A thing that is not there.
    #[must_use]
    pub fn not_found(kind: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound { kind, name: name.into() }
    }

    /// A defect of ours, with the error that shows it.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<NodesError> for Error {
    fn from(error: NodesError) -> Self {
        match error {
            NodesError::NotFound(name) => Self::NotFound { kind: "node", name },
            NodesError::Stale(_) => Self::Stale,
            NodesError::Refused(wrong) => Self::Invalid(vec![wrong]),
            NodesError::Unavailable(why) => Self::Unavailable(why),
            NodesError::Database(error) => *error,
        }
    }
}

impl From<ResourceError> for Error {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::NotFound(name) => Self::NotFound { kind: "object", name },
            ResourceError::Stale(_) => Self::Stale,
            ResourceError::Invalid(wrong) => Self::Invalid(wrong),
            ResourceError::NotAllowed(why) => Self::NotAllowed(why),
            ResourceError::Conflict(why) => Self::Conflict(why),
            ResourceError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NotFound { kind, name } => Self::NotFound { kind: noun(&kind), name },
            ObjectError::AlreadyExists { kind, name } => Self::AlreadyExists { kind: noun(&kind), name },
            ObjectError::Conflict { .. } => Self::Stale,
            ObjectError::Invalid(fields) => Self::Invalid(fields),
            ObjectError::Unavailable(source) => Self::Database(source),
            ObjectError::Failed(source) => Self::Internal(source),
            error @ (ObjectError::Expired | ObjectError::Fenced(_)) => Self::internal(error),
        }
    }
}

/// What helps where a limit is reached.
fn remedy(exceeded: &Exceeded) -> &'static str {
    if exceeded.dimension.is_budget() {
        "ask an administrator for more"
    } else {
        "stop another session, or ask an administrator for more"
    }
}

/// The word people know a kind by.
fn noun(kind: &str) -> &'static str {
    match kind {
        "Session" => "session",
        "Template" => "template",
        _ => "object",
    }
}
