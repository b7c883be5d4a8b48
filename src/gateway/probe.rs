//! Asks a program whether it is busy, as its template tells to.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::Gateway;
use crate::{
    crd::{Probe, Session},
    domain::template,
    engine::SessionId,
    services::presence::Cause,
};

/// Longest wait for the answer, and most bytes of it.
const WITHIN: Duration = Duration::from_secs(5);
const LARGEST: usize = 1 << 20;

/// Why a program could not be asked.
type AskError = Box<dyn std::error::Error + Send + Sync>;

/// Asks the program of a session, where its template says how, and notes activity where it is busy.
pub async fn ask(gateway: Gateway, session: Arc<Session>) {
    let Some(template) = gateway.app().templates.peek(&session.spec.template) else { return };
    let probe = template.spec.activity.as_ref().and_then(|activity| activity.probe.as_ref());
    let (Some(probe), Some(port)) = (probe, template::main_port(&template.spec)) else { return };
    let id = SessionId(session.metadata.name.clone().unwrap_or_default());
    let path = template::asked_path(&template.spec, &gateway.hosts().base_path(&id.0, port), &probe.path);
    match tokio::time::timeout(WITHIN, answer(&gateway, &id, port, &path)).await {
        Ok(Ok(answer)) if is_busy(&answer, probe) => {
            let uid = session.metadata.uid.as_deref().unwrap_or_default();
            gateway.note(&gateway.presence().used(&id.0, uid), Cause::Busy);
        }
        Ok(Ok(_)) => {}
        // It tells nothing, and the person's own activity counts all the same.
        Ok(Err(error)) => {
            tracing::debug!(session.id = id.0, error = %error, "a program did not tell whether it is busy");
        }
        Err(_) => tracing::debug!(session.id = id.0, "a program was too slow to tell whether it is busy"),
    }
}

async fn answer(gateway: &Gateway, id: &SessionId, port: u16, path: &str) -> Result<Value, AskError> {
    let connection = gateway.app().engine.dial(id, port).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
    let request = hyper::Request::get(path)
        .header(http::header::HOST, format!("localhost:{port}"))
        .header(http::header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let body = Limited::new(response.into_body(), LARGEST).collect().await?.to_bytes();
        Ok::<_, AskError>(serde_json::from_slice(&body)?)
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // All that was sent has arrived then.
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}

/// Whether a value that the pointer leads to is the busy one.
fn is_busy(answer: &Value, probe: &Probe) -> bool {
    let tokens: Vec<String> =
        probe.pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    any(answer, &tokens, &|value| match value {
        Value::String(text) => *text == probe.busy_value,
        // As JSON writes it: `true`, `3`.
        other => probe.busy_value.parse::<Value>().is_ok_and(|busy| busy == *other),
    })
}

/// Whether `holds` of a value that the tokens lead to; `*` leads to every element.
fn any(value: &Value, tokens: &[String], holds: &dyn Fn(&Value) -> bool) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return holds(value) };
    match (token.as_str(), value) {
        ("*", Value::Array(items)) => items.iter().any(|item| any(item, rest, holds)),
        ("*", Value::Object(fields)) => fields.values().any(|field| any(field, rest, holds)),
        (token, Value::Array(items)) => {
            token.parse::<usize>().ok().and_then(|at| items.get(at)).is_some_and(|item| any(item, rest, holds))
        }
        (token, Value::Object(fields)) => fields.get(token).is_some_and(|field| any(field, rest, holds)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn busy(answer: &Value, pointer: &str, busy_value: &str) -> bool {
        let probe = Probe { path: "/".into(), pointer: pointer.into(), busy_value: busy_value.into() };
        is_busy(answer, &probe)
    }

    #[test]
    fn a_program_is_busy_where_any_value_that_the_pointer_leads_to_says_so() {
        let kernels = json!([{ "execution_state": "idle" }, { "execution_state": "busy" }]);
        assert!(busy(&kernels, "/*/execution_state", "busy"));
        assert!(busy(&kernels, "/1/execution_state", "busy"));
        assert!(!busy(&kernels, "/0/execution_state", "busy"));
        assert!(!busy(&json!([{ "execution_state": "idle" }]), "/*/execution_state", "busy"));
        assert!(!busy(&json!([]), "/*/execution_state", "busy"));
    }

    #[test]
    fn pointers_are_those_of_json_with_stars() {
        let answer = json!({ "a/b": { "x": { "n": 3 }, "y": { "n": true } }, "": 1 });
        assert!(busy(&answer, "/a~1b/*/n", "3"));
        assert!(busy(&answer, "/a~1b/*/n", "true"));
        assert!(busy(&answer, "/", "1"));
        assert!(!busy(&answer, "/a~1b/z/n", "3"));
        assert!(busy(&json!("busy"), "", "busy"));
        assert!(!busy(&answer, "/a~1b/x/n/deeper", "3"));
    }
}
