//! What is meant for one person: warnings before their session is stopped.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The fields of a `session.warning` after its type and topic. `warning` is to be an object with `reason`, `message`
/// and `stopsAt`; `None` for anything that is none.
pub fn warning(session: &str, warning: &impl Serialize, now: Timestamp) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(warning) else { return None };
    let begin = format!("\"time\":\"{now}\",\"session\":{}", Value::from(session));
    let ours = |name: &str| matches!(name, "type" | "topic" | "time" | "session");
    let rest = fields
        .iter()
        .filter(|(name, _)| !ours(name))
        .map(|(name, value)| format!(",{}:{value}", Value::from(name.as_str())));
    Some([begin].into_iter().chain(rest).collect())
}
