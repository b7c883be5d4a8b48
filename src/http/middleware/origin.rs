//! A page of another origin cannot act with a person's cookie, whatever the sign-in mode.

use actix_web::{
    dev::RequestHead,
    http::{Method, header},
};

use super::host::{authority, is_loopback, without_port};
use crate::http::problem::Refusal;

/// URLs that other sites post to by their nature, and that prove their right in another way.
///
/// Webhooks are signed, and count no cookie. What an identity provider's page posts is signed too: an answer counts in the
/// browser that asked for it, and a request to sign somebody out names whom, also where the provider itself posts it. Whoever adds one adds it to the test.
const EXEMPT: &[&str] = &[
    "/webhooks/repository/sync",
    "/api/v1/auth/saml/acs",
    "/api/v1/auth/saml/slo",
    "/api/v1/auth/oidc/back-channel-logout",
];

/// Origins that may act.
#[derive(Clone, Debug)]
pub struct Origins {
    /// The origin of `PUBLIC_URL`.
    public: String,
    /// `CORS_ORIGINS`.
    listed: Vec<String>,
}

impl Origins {
    /// `public_url`'s own origin and those in `listed` (such as `https://portal.example`).
    ///
    /// # Errors
    /// The word of `listed` that is no origin.
    pub fn new(public_url: &url::Url, listed: &[String]) -> Result<Self, String> {
        let listed = listed.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
        let origin = |word: &str| match url::Url::parse(word) {
            Ok(url) if url.origin().is_tuple() && url.path() == "/" && url.query().is_none() => {
                Ok(url.origin().ascii_serialization())
            }
            _ => Err(word.to_owned()),
        };
        Ok(Self {
            public: public_url.origin().ascii_serialization(),
            listed: listed.map(origin).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a page of `origin` may read answers although it is not ours.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        self.listed.iter().any(|listed| listed == origin)
    }

    /// Whether any other origin is listed.
    #[must_use]
    pub fn lists_any(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Refuses a request that changes something or opens a socket, comes without an `Authorization` header, and does
    /// not come from a page of ours or of a listed origin.
    ///
    /// # Errors
    /// [`Refusal::CrossOrigin`].
    pub fn check(&self, head: &RequestHead) -> Result<(), Refusal> {
        let reads = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let opens_socket = head.headers.contains_key(header::UPGRADE);
        let exempt = EXEMPT.contains(&head.uri.path());
        let shown = head.headers.contains_key(header::AUTHORIZATION) || shows_ticket(head);
        if (reads && !opens_socket) || exempt || shown {
            return Ok(());
        }
        let origin = head.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        match origin {
            Some(origin) if self.is_ours(origin, head) || self.lists(origin) => Ok(()),
            Some(origin) => Err(Refusal::CrossOrigin(Some(origin.chars().take(200).collect()))),
            None => Err(Refusal::CrossOrigin(None)),
        }
    }

    /// The public origin, or on this machine itself the very host that was asked.
    #[must_use]
    pub fn is_ours(&self, origin: &str, head: &RequestHead) -> bool {
        if origin == self.public {
            return true;
        }
        let Some((_, origin_authority)) = origin.split_once("://") else { return false };
        let asked = authority(head).unwrap_or_default();
        is_loopback(without_port(asked)) && origin_authority.eq_ignore_ascii_case(asked)
    }
}

/// Where a ticket stands in the URL, and nothing but the ticket counts there.
const TICKETS: &str = "/api/v1/ws/";

/// Whether the request proves its right with a one-time ticket, which no other site's page can have.
fn shows_ticket(head: &RequestHead) -> bool {
    let query = head.uri.query().unwrap_or_default();
    head.uri.path().starts_with(TICKETS)
        && url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "ticket")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn origins() -> Origins {
        Origins::new(&"https://platform.test".parse().unwrap(), &["https://portal.test".into()]).unwrap()
    }

    fn allowed(method: Method, headers: &[(&'static str, &str)]) -> bool {
        let mut request = TestRequest::with_uri("/api/v1/sessions").method(method);
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        origins().check(request.to_http_request().head()).is_ok()
    }

    #[test]
    fn a_change_needs_a_page_of_ours_or_an_authorization() {
        let host = ("host", "platform.test");
        assert!(allowed(Method::POST, &[host, ("origin", "https://platform.test")]));
        assert!(allowed(Method::POST, &[host, ("origin", "https://portal.test")]));
        assert!(allowed(Method::POST, &[host, ("authorization", "Bearer x"), ("origin", "https://evil.test")]));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!allowed(method.clone(), &[host]));
            assert!(!allowed(method.clone(), &[host, ("origin", "null")]));
            assert!(!allowed(method.clone(), &[host, ("origin", "http://platform.test")]));
            assert!(!allowed(method.clone(), &[host, ("origin", "https://abc.apps.platform.test")]));
            assert!(!allowed(method, &[host, ("origin", "https://platform.test.evil.test")]));
        }
    }

    #[test]
    fn reading_is_free_and_a_socket_is_not() {
        let host = ("host", "platform.test");
        assert!(allowed(Method::GET, &[host, ("origin", "https://evil.test")]));
        assert!(!allowed(Method::GET, &[host, ("origin", "https://evil.test"), ("upgrade", "websocket")]));
        assert!(allowed(Method::GET, &[host, ("origin", "https://platform.test"), ("upgrade", "websocket")]));
    }

    #[test]
    fn a_ticket_needs_no_origin_and_counts_for_feeds_alone() {
        let opens = |uri: &str| {
            let request = TestRequest::with_uri(uri).append_header(("upgrade", "websocket"));
            origins().check(request.append_header(("host", "platform.test")).to_http_request().head()).is_ok()
        };
        assert!(opens("/api/v1/ws/events?topics=sessions&ticket=abc"));
        assert!(!opens("/api/v1/ws/events?topics=sessions"));
        assert!(!opens("/api/v1/sessions/a/vnc?ticket=abc"));
    }

    #[test]
    fn on_this_machine_the_page_may_be_asked_by_any_of_its_names_but_not_by_a_sessions() {
        let own = |host, origin| allowed(Method::POST, &[("host", host), ("origin", origin)]);
        assert!(own("localhost:8000", "http://localhost:8000"));
        assert!(own("127.0.0.1:9000", "http://127.0.0.1:9000"));
        assert!(own("[::1]:8000", "http://[::1]:8000"));
        assert!(!own("localhost:8000", "http://abc.localhost:8000"));
        assert!(!own("localhost:8000", "http://localhost:3000"));
        assert!(!own("abc.localhost:8000", "http://abc.localhost:8000"));
    }

    #[test]
    fn what_is_listed_has_to_be_an_origin() {
        let new = |word: &str| Origins::new(&"http://localhost".parse().unwrap(), &[word.to_owned()]);
        assert!(new("https://portal.test:8443").unwrap().lists("https://portal.test:8443"));
        for bad in ["*", "portal.test", "https://portal.test/path", "data:,x"] {
            assert_eq!(new(bad).unwrap_err(), bad);
        }
    }

    #[test]
    fn nothing_is_exempt_that_is_not_named_here() {
        let named = [
            "/webhooks/repository/sync",
            "/api/v1/auth/saml/acs",
            "/api/v1/auth/saml/slo",
            "/api/v1/auth/oidc/back-channel-logout",
        ];
        assert_eq!(EXEMPT, named);
    }
}
