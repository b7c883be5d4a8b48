//! The name of a request: `X-Request-Id`, and the trace it belongs to.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};

/// The header, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longer ids are replaced.
const LONGEST: usize = 128;

/// The caller's id where it is sane (1 to 128 letters, digits, `-`, `_`, `.`, `:`), otherwise a new one.
#[must_use]
pub fn take_or_make(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_sane(id));
    given.map_or_else(make, Arc::from)
}

fn is_sane(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

/// 128 random bits from a generator in memory: an id is no secret, and a system call each would be felt.
fn make() -> Arc<str> {
    let mut text = [0_u8; uuid::fmt::Hyphenated::LENGTH];
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().hyphenated().encode_lower(&mut text);
    std::str::from_utf8(&text).unwrap_or_default().into()
}

/// The trace id (32 hex digits) of a `traceparent` that keeps to the W3C's form.
#[must_use]
pub fn trace_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let well_formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // Version 00 has four parts; later ones may add some.
    let whole = version != "00" || parts.next().is_none();
    let named = trace.bytes().any(|byte| byte != b'0') && parent.bytes().any(|byte| byte != b'0');
    (well_formed && whole && named).then(|| trace.into())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let kept = |id: &str| &*take_or_make(&headers(X_REQUEST_ID, id)) == id;
        assert!(kept("018f-a.b_c:1"));
        assert!(kept(&"a".repeat(128)));
        for other in ["", "a b", "a\"b", "ä", &"a".repeat(129)] {
            assert!(!kept(other), "{other}");
        }
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(take_or_make(&HeaderMap::new()), take_or_make(&HeaderMap::new()));
    }

    #[test]
    fn a_traceparent_is_honoured_only_in_the_form_of_the_standard() {
        let trace = |text: &str| trace_id(&headers(TRACEPARENT, text));
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace(good).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for bad in [
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c",
        ] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
