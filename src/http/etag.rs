//! Versions of objects: `ETag`, `If-Match`, `If-None-Match`, and `Streamspace-Revision`.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};
use kube::ResourceExt;
use serde::Serialize;

use crate::Error;

/// The latest change that an answer knows of; sent with the next read, it makes another replica catch up first.
pub const REVISION: HeaderName = HeaderName::from_static("streamspace-revision");

/// The `resourceVersion` that `If-Match` insists on; `None` where any will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<String>);

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.headers().get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default());
        std::future::ready(text.map_or(Ok(Self(None)), if_match))
    }
}

impl IfMatch {
    /// For what is counted by versions of its own: the number. One that is no number never was.
    ///
    /// # Errors
    /// [`Error::Stale`] for what is no number.
    pub fn version(self) -> Result<Option<i64>, Error> {
        self.0.map(|tag| tag.parse().map_err(|_| Error::Stale)).transpose()
    }
}

fn if_match(text: &str) -> Result<IfMatch, Error> {
    let tag = text.trim();
    if tag == "*" {
        return Ok(IfMatch(None));
    }
    // A weak tag promises no equality, so it never matches here (RFC 9110, 13.1.1).
    if tag.starts_with("W/") {
        return Err(Error::Stale);
    }
    match tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) {
        Some(version) if !version.contains('"') => Ok(IfMatch(Some(version.to_owned()))),
        _ => Err(Error::BadRequest("If-Match takes one ETag in quotes, or *".into())),
    }
}

/// Shows `object`: 200 with its `ETag`, or 304 to one who has that version.
pub fn show<K: ResourceExt + Serialize>(request: &HttpRequest, object: &K) -> HttpResponse {
    show_version(request, &object.resource_version().unwrap_or_default(), object)
}

/// Shows `object`, which is at `version`: 200 with its `ETag`, or 304 to one who has that version.
pub fn show_version(request: &HttpRequest, version: &str, object: &impl Serialize) -> HttpResponse {
    let tag = tag(version);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    // Here a weak comparison is the rule: proxies that compress make tags weak.
    let same = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
    if known.is_some_and(|tags| tags.split(',').any(|known| same(known.trim()))) {
        return HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish();
    }
    current(version, object)
}

/// Shows `object` as it is now, at `version`.
pub fn current(version: &str, object: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, tag(version))).json(object)
}

/// Shows what was made at `location`, and is at `version`.
pub fn made(location: String, version: &str, object: &impl Serialize) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, tag(version)))
        .json(object)
}

/// Shows what a write made of `object`, with its `ETag` and the revision to send with the next read.
pub fn written<K>(status: StatusCode, object: &K) -> HttpResponse
where
    K: ResourceExt<DynamicType = ()> + Serialize,
{
    HttpResponse::build(status)
        .insert_header((header::ETAG, tag_of(object)))
        .insert_header((REVISION, revision_of(object)))
        .json(object)
}

/// The `ETag` of `version`.
#[must_use]
pub fn tag(version: &str) -> String {
    format!("\"{version}\"")
}

/// Shows what was created, and where it is from now on.
pub fn created<K>(location: &str, object: &K) -> HttpResponse
where
    K: ResourceExt<DynamicType = ()> + Serialize,
{
    let mut answer = written(StatusCode::CREATED, object);
    if let Ok(location) = header::HeaderValue::from_str(location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

/// The quoted `resourceVersion`.
fn tag_of(object: &impl ResourceExt) -> String {
    tag(&object.resource_version().unwrap_or_default())
}

/// `sessions=17`: revisions of different kinds cannot be compared, so each names its own.
fn revision_of<K: ResourceExt<DynamicType = ()>>(object: &K) -> String {
    format!("{}={}", K::plural(&()), object.resource_version().unwrap_or_default())
}

/// Lets memory catch up with what the caller has seen of `kind` (a plural): `wait_for` waits for a revision, with an end.
pub async fn catch_up(request: &HttpRequest, kind: &str, wait_for: impl AsyncFnOnce(&str)) {
    if let Some(revision) = seen(request, kind) {
        wait_for(&revision).await;
    }
}

/// The revision of `kind` (a plural, such as `sessions`) that the caller has seen.
#[must_use]
pub fn seen(request: &HttpRequest, kind: &str) -> Option<String> {
    let text = request.headers().get(REVISION)?.to_str().ok()?;
    text.split(',').find_map(|part| match part.trim().split_once('=') {
        Some((name, revision)) if name == kind => Some(revision.to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::crd::Session;

    fn session() -> Session {
        let mut session = Session::new("s1", Default::default());
        session.metadata.resource_version = Some("17".into());
        session
    }

    #[test]
    fn one_who_has_the_version_gets_no_body() {
        let ask = |tags: &str| {
            let request = TestRequest::get().insert_header(("if-none-match", tags)).to_http_request();
            show(&request, &session()).status().as_u16()
        };
        assert_eq!(["\"17\"", "W/\"17\"", "\"1\", \"17\"", "*"].map(ask), [304; 4]);
        assert_eq!(["\"1\"", "17", ""].map(ask), [200; 3]);
    }

    #[test]
    fn a_write_tells_the_version_and_the_revision_of_its_kind() {
        let answer = written(StatusCode::CREATED, &session());
        assert_eq!(answer.headers().get(header::ETAG).unwrap(), "\"17\"");
        assert_eq!(answer.headers().get(REVISION).unwrap(), "sessions=17");
        let next = TestRequest::get().insert_header((REVISION, "templates=3, sessions=17")).to_http_request();
        assert_eq!(seen(&next, "sessions").as_deref(), Some("17"));
        assert_eq!(seen(&next, "homes"), None);
    }

    #[test]
    fn a_condition_is_one_version_or_any() {
        assert_eq!(if_match("\"17\"").unwrap(), IfMatch(Some("17".into())));
        assert_eq!(if_match("*").unwrap(), IfMatch(None));
        assert!(matches!(if_match("W/\"17\""), Err(Error::Stale)));
        for bad in ["17", "\"1\", \"2\"", "\""] {
            assert!(matches!(if_match(bad), Err(Error::BadRequest(_))), "{bad}");
        }
    }
}
