//! Only requests for one of our names are answered, so that another name pointed at us (DNS rebinding) gets nothing.

use std::net::IpAddr;

use actix_web::{dev::RequestHead, http::header};

use crate::http::problem::Refusal;

/// Our names.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// Host of `PUBLIC_URL`, in lower case.
    public: String,
}

impl Hosts {
    /// The host of `public_url` and this machine's own loopback names.
    #[must_use]
    pub fn new(public_url: &url::Url) -> Self {
        Self { public: public_url.host_str().unwrap_or("localhost").to_ascii_lowercase() }
    }

    /// Refuses a request for a name that is not ours. The port is not compared: it may be forwarded.
    ///
    /// # Errors
    /// [`Refusal::NotOurs`], and [`Refusal::NoHost`] for a request that names none.
    pub fn check(&self, head: &RequestHead) -> Result<(), Refusal> {
        let named = authority(head).ok_or(Refusal::NoHost)?;
        let host = without_port(named);
        if host.eq_ignore_ascii_case(&self.public) || is_loopback(host) {
            return Ok(());
        }
        Err(Refusal::NotOurs(host.chars().take(100).collect()))
    }
}

/// What the request names: the authority of an absolute request line, otherwise its one `Host` header.
#[must_use]
pub fn authority(head: &RequestHead) -> Option<&str> {
    if let Some(authority) = head.uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = head.headers.get_all(header::HOST);
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// `host` of `host:port`, `[::1]` of `[::1]:port`.
#[must_use]
pub fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// `localhost`, or an address of the loopback network.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn answered(host: &str) -> bool {
        let hosts = Hosts::new(&"https://platform.test:8443".parse().unwrap());
        let request = TestRequest::get().uri("/api/v1/system").insert_header(("host", host)).to_http_request();
        hosts.check(request.head()).is_ok()
    }

    #[test]
    fn our_names_are_answered_and_no_other() {
        for ours in ["platform.test", "Platform.Test:8443", "localhost:9000", "127.0.0.1:8000", "[::1]:8000", "[::1]"] {
            assert!(answered(ours), "{ours}");
        }
        for other in
            ["evil.test", "abc.localhost:8000", "platform.test.evil.test", "abc.apps.platform.test", "10.0.0.1"]
        {
            assert!(!answered(other), "{other}");
        }
    }

    #[test]
    fn the_request_line_counts_more_than_the_header() {
        let hosts = Hosts::new(&"http://localhost:8000".parse().unwrap());
        let request =
            TestRequest::get().uri("http://evil.test/").insert_header(("host", "localhost")).to_http_request();
        assert!(hosts.check(request.head()).is_err());
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        let hosts = Hosts::new(&"http://localhost:8000".parse().unwrap());
        let none = TestRequest::get().to_http_request();
        let two = TestRequest::get()
            .append_header(("host", "localhost"))
            .append_header(("host", "localhost"))
            .to_http_request();
        assert!(hosts.check(none.head()).is_err());
        assert!(hosts.check(two.head()).is_err());
    }
}
