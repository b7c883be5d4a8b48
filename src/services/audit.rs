//! The audit: what was done, by whom, from where, with which result.

use deadpool_postgres::GenericClient;
use serde::Serialize;
use serde_json::Value;

pub use crate::store::audit::{Entry as Kept, Query};
use crate::{
    Error,
    auth::{Auth, Caller, Credential, Permission},
    store::audit::{self, Fact},
};

/// Most bytes that an entry keeps of what was there before, and of what is there after.
const KEPT_MAX_BYTES: usize = 32 * 1_024;
/// Most bytes that an entry keeps of a path that was asked.
const PATH_MAX_BYTES: usize = 512;
/// Stands where a secret stood.
const REMOVED: &str = "(removed)";
/// Parts of field names whose values are never kept.
const SECRET_NAMES: &[&str] =
    &["password", "passwd", "secret", "token", "credential", "cookie", "privatekey", "apikey"];

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Not allowed.
    Refused,
    /// Allowed, but it did not come about.
    Failed,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What to write down. Secrets in `before` and `after` are removed on the way.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `noun.verb`, such as `session.create`.
    pub action: &'static str,
    /// `kind/name`, such as `session/alice-terminal-00000001`.
    pub target: String,
    /// How it ended.
    pub result: Outcome,
    /// What was there.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
}

impl Entry {
    /// Something that was done to `target`.
    #[must_use]
    pub fn new(action: &'static str, target: impl Into<String>) -> Self {
        Self { action, target: target.into(), result: Outcome::Success, before: None, after: None }
    }

    /// With what was there before.
    #[must_use]
    pub fn before(self, before: &impl Serialize) -> Self {
        Self { before: serde_json::to_value(before).ok(), ..self }
    }

    /// With what is there now.
    #[must_use]
    pub fn after(self, after: &impl Serialize) -> Self {
        Self { after: serde_json::to_value(after).ok(), ..self }
    }
}

/// Writes down what `caller` did. Belongs into the transaction of what it tells: both happen, or neither.
pub async fn record(db: &impl GenericClient, caller: &Caller, entry: Entry) -> Result<(), Error> {
    audit::insert(db, &fact(caller, entry)).await
}

/// A request that was refused before anybody looked at what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// The pattern of its URL.
    pub pattern: &'a str,
    /// Its path, of which the beginning is kept.
    pub path: &'a str,
}

/// Writes down that `caller` asked for an operation that they may not use.
pub async fn record_forbidden(
    db: &impl GenericClient,
    caller: &Caller,
    Asked { method, pattern, path }: Asked<'_>,
    why: &str,
) -> Result<(), Error> {
    let path = &path[..path.floor_char_boundary(PATH_MAX_BYTES)];
    let entry = Entry { result: Outcome::Refused, ..Entry::new("request.forbid", format!("{method} {pattern}")) };
    record(db, caller, entry.after(&serde_json::json!({ "path": path, "reason": why }))).await
}

/// The entry as it is kept, for one who writes it down later.
#[must_use]
pub(super) fn fact(caller: &Caller, entry: Entry) -> Fact {
    let Entry { action, target, result, before, after } = entry;
    Fact {
        actor: Some(caller.user.clone()),
        credential: credential(&caller.credential),
        address: caller.address.map(|address| address.to_string()),
        action: action.to_owned(),
        target: Some(target),
        result: result.word().to_owned(),
        request_id: caller.request_id.clone(),
        before: before.map(kept),
        after: after.map(kept),
    }
}

/// Writes down a sign-in that was refused. `user`: whose it would have been, where there is such an account; what was
/// typed instead is not kept, since people type passwords there.
pub(super) async fn record_refused_sign_in(
    db: &impl GenericClient,
    origin: &super::sign_in::Origin,
    user: Option<&str>,
    reason: &str,
) -> Result<(), Error> {
    let fact = Fact {
        actor: None,
        credential: "none".to_owned(),
        address: origin.address.map(|address| address.to_string()),
        action: "auth.sign-in".to_owned(),
        target: user.map(|user| format!("user/{user}")),
        result: Outcome::Refused.word().to_owned(),
        request_id: origin.request_id.clone(),
        before: None,
        after: Some(serde_json::json!({ "reason": reason }).to_string()),
    };
    audit::insert(db, &fact).await
}

/// Writes down what became of the person `user` on their way in through an identity provider, which they may not have
/// ended: they have no credential yet.
pub(super) async fn record_arrival(
    db: &impl GenericClient,
    origin: &super::sign_in::Origin,
    user: &str,
    entry: Entry,
) -> Result<(), Error> {
    let arriving = Caller {
        address: origin.address,
        request_id: origin.request_id.clone(),
        ..Caller::new(user, [], Credential::Anyone)
    };
    record(db, &arriving, entry).await
}

/// A page of the entries that `caller` may see, and how many there are, counted to [`COUNTED`](crate::domain::lists::COUNTED) and one.
pub async fn list(auth: &Auth, caller: &Caller, query: Query) -> Result<(Vec<Kept>, i64), Error> {
    let about = (!caller.may(Permission::AuditRead)).then(|| caller.user.clone());
    audit::list(&auth.client().await?, &Query { about, ..query }).await
}

fn credential(credential: &Credential) -> String {
    match credential {
        Credential::SignIn(id) => format!("sign-in {id}"),
        Credential::Token(id) => format!("token {id}"),
        Credential::Access(id) => format!("access {id}"),
        Credential::Anyone => "none".to_owned(),
        Credential::Console => "console".to_owned(),
    }
}

/// `value` as text without secrets, or how large it was.
fn kept(mut value: Value) -> String {
    remove_secrets(&mut value);
    let text = value.to_string();
    if text.len() <= KEPT_MAX_BYTES {
        return text;
    }
    serde_json::json!({ "leftOut": format!("{} bytes", text.len()) }).to_string()
}

/// Removes the values of fields that are named like secrets, and of variables (`{"name", "value"}`) that are.
fn remove_secrets(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(remove_secrets),
        Value::Object(fields) => {
            let variable = fields.get("name").and_then(Value::as_str).is_some_and(is_secret);
            for (name, value) in fields {
                let hidden = (is_secret(name) && !value.is_boolean()) || (variable && name == "value");
                if hidden && !value.is_null() {
                    *value = REMOVED.into();
                } else {
                    remove_secrets(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| plain.contains(secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_removed_wherever_they_stand_and_the_rest_stays() {
        let object = json!({
            "name": "alice",
            "password": "hunter2hunter2",
            "hasPassword": true,
            "spec": { "env": [{ "name": "API_KEY", "value": "k" }, { "name": "LANG", "value": "de" }] },
            "nested": [{ "accessToken": { "inner": "t" } }],
        });
        let kept: Value = serde_json::from_str(&kept(object)).unwrap();
        assert_eq!(
            kept,
            json!({
                "name": "alice",
                "password": "(removed)",
                "hasPassword": true,
                "spec": { "env": [{ "name": "API_KEY", "value": "(removed)" }, { "name": "LANG", "value": "de" }] },
                "nested": [{ "accessToken": "(removed)" }],
            })
        );
    }

    #[test]
    fn what_is_too_large_is_left_out_and_said_so() {
        let small = kept(json!({ "text": "x" }));
        assert_eq!(small, r#"{"text":"x"}"#);
        let large = kept(json!({ "text": "x".repeat(KEPT_MAX_BYTES) }));
        assert!(large.len() < 100 && large.contains("leftOut"), "{large}");
    }
}
