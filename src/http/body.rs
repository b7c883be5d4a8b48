//! Request bodies: JSON of a known shape, or a problem that says where it is wrong.

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web::Bytes};
use futures::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

use super::problem::Refusal;
use crate::{Error, domain::fields::FieldError};

/// Most bytes of a body: 1 MiB.
pub const LIMIT: usize = 1 << 20;

/// A JSON body, as `application/json` or `application/merge-patch+json`.
///
/// Answers 415 for another media type, 413 beyond [`LIMIT`], 400 with line and column for what is not JSON, and 400 with
/// the field's path for JSON of another shape. Types derive `deny_unknown_fields`, so that a typing error is named.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = is_json(request);
        let length = declared_length(request);
        let payload = payload.take();
        Box::pin(async move {
            if !json {
                return Err(Refusal::MediaType("application/json or application/merge-patch+json").into());
            }
            let bytes = read(payload, length).await?;
            Ok(Self(parse(&bytes)?))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    matches!(request.content_type(), "application/json" | "application/merge-patch+json")
}

/// What `Content-Length` says.
#[must_use]
pub fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body to its end; one that is declared too large is refused unread.
///
/// # Errors
/// [`Refusal::TooLarge`], and what the connection answers.
pub async fn read(mut payload: Payload, declared: Option<usize>) -> Result<Bytes, actix_web::Error> {
    if declared.is_some_and(|length| length > LIMIT) {
        return Err(Refusal::TooLarge.into());
    }
    let mut bytes = actix_web::web::BytesMut::with_capacity(declared.unwrap_or(0));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > LIMIT {
            return Err(Refusal::TooLarge.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Reads `bytes` as a `T`.
///
/// # Errors
/// [`Error::BadRequest`] with line and column for what is not JSON, [`Error::Invalid`] with the path of what does not
/// fit.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() { misfit(&path, &inner) } else { not_json(&inner) }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::BadRequest(format!("the body is not JSON: {error}"))
}

/// Names the field; for an unknown or a missing one, what `serde` says names it and the path only its parent.
fn misfit(path: &str, error: &serde_json::Error) -> Error {
    let said = error.to_string();
    let sentence = said.rsplit_once(" at line ").map_or(said.as_str(), |(sentence, _)| sentence);
    let quoted = sentence
        .strip_prefix("unknown field `")
        .or_else(|| sentence.strip_prefix("missing field `"))
        .and_then(|rest| rest.split('`').next());
    let field = match (path, quoted) {
        (".", None) => String::new(),
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) if path.rsplit('.').next() != Some(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    };
    Error::Invalid(vec![FieldError { field, message: sentence.to_owned() }])
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[allow(dead_code, reason = "only its shape matters")]
    struct Outer {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[allow(dead_code, reason = "only its shape matters")]
    struct Inner {
        idle_timeout: u32,
    }

    fn field(body: &str) -> (String, String) {
        match parse::<Outer>(body.as_bytes()) {
            Err(Error::Invalid(fields)) => (fields[0].field.clone(), fields[0].message.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_field_that_is_unknown_missing_or_of_another_type_is_named_by_its_path() {
        assert_eq!(field(r#"{"name":"a","colour":1}"#).0, "colour");
        assert_eq!(field(r#"{"name":"a","inner":{"idleTimeout":1,"x":2}}"#).0, "inner.x");
        assert_eq!(field("{}").0, "name");
        assert_eq!(field(r#"{"name":"a","inner":{}}"#).0, "inner.idleTimeout");
        let (path, message) = field(r#"{"name":"a","inner":{"idleTimeout":"1h"}}"#);
        assert_eq!(
            (path.as_str(), message.as_str()),
            ("inner.idleTimeout", "invalid type: string \"1h\", expected u32")
        );
        assert_eq!(field("[]").0, "");
    }

    #[test]
    fn what_is_not_json_is_shown_by_line_and_column() {
        for (body, place) in [("{\n \"name\": ,}", "line 2 column 10"), ("", "line 1 column 0"), ("{} {}", "line 1")] {
            let error = parse::<serde_json::Value>(body.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::BadRequest(_)), "{error:?}");
            assert!(error.to_string().contains(place), "{error}");
        }
    }
}
