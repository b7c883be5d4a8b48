//! What of a message's headers passes between the browser and the app, and what is ours to say.
//!
//! How long a body is never depends on what was written in a header here: both sides are parsed, and written anew.

use std::net::IpAddr;

use actix_web::{
    dev::RequestHead,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use http::header;

use super::cookie::{self, Style};

/// A header of the request that cannot be passed on.
#[derive(Debug, thiserror::Error)]
#[error("the header {0} cannot be passed on")]
pub struct BadHeader(String);

/// What the gateway itself says to apps and browsers, written once.
#[derive(Clone, Debug)]
pub struct Ours {
    /// `http` or `https`, as browsers see it.
    scheme: http::HeaderValue,
    /// The policy that lets only the app itself and the dashboard frame a page.
    frame_ancestors: HeaderValue,
    /// How cookies are written.
    style: Style,
}

impl Ours {
    /// `dashboard`: its origin.
    #[must_use]
    pub fn new(scheme: &str, dashboard: &str, style: Style) -> Self {
        let policy = format!("frame-ancestors 'self' {dashboard}");
        Self {
            scheme: http::HeaderValue::from_static(if scheme == "https" { "https" } else { "http" }),
            frame_ancestors: HeaderValue::from_str(&policy)
                .unwrap_or_else(|_| HeaderValue::from_static("frame-ancestors 'self'")),
            style,
        }
    }

    /// The policy that lets only the app itself and the dashboard frame a page.
    pub fn frame_ancestors(&self) -> &HeaderValue {
        &self.frame_ancestors
    }

    /// The headers that the app gets for `head`.
    ///
    /// `client`: whose request it is. `below`: where browsers reach the app. `tunnel`: the request asks for a WebSocket, and so does ours. `passes`: whether
    /// an `Authorization` is the app's own business.
    ///
    /// # Errors
    /// [`BadHeader`] for a name or value that HTTP does not know.
    pub fn to_app(
        &self,
        head: &RequestHead,
        client: Option<IpAddr>,
        below: &Below<'_>,
        tunnel: bool,
        passes: impl Fn(&HeaderValue) -> bool,
    ) -> Result<http::HeaderMap, BadHeader> {
        let mut headers = http::HeaderMap::with_capacity(head.headers.len_keys() + 6);
        let hops = Hops::named(head.headers.get_all(header::CONNECTION.as_str()).map(HeaderValue::as_bytes));
        for (name, value) in &head.headers {
            let word = name.as_str();
            let kept = match word {
                "cookie" => cookie::for_app(value),
                "authorization" if !passes(value) => None,
                _ if is_hop(word) || is_forwarding(word) || hops.names(word) => None,
                // The body is written anew; see `framing`.
                "content-length" | "expect" => None,
                _ => Some(convert_value(word, value)?),
            };
            if let Some(kept) = kept {
                headers.append(convert_name(name)?, kept);
            }
        }
        framing(head, &mut headers);
        self.forwarded(head, client, &mut headers);
        if !below.prefix.is_empty() {
            let prefix =
                http::HeaderValue::from_str(below.prefix).map_err(|_| BadHeader("x-forwarded-prefix".into()))?;
            headers.insert(http::HeaderName::from_static("x-forwarded-prefix"), prefix);
        }
        if tunnel {
            headers.insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
        }
        Ok(headers)
    }

    /// Says for whom the request is, in the words that apps know.
    fn forwarded(&self, head: &RequestHead, client: Option<IpAddr>, headers: &mut http::HeaderMap) {
        headers.insert(http::HeaderName::from_static("x-forwarded-proto"), self.scheme.clone());
        if let Some(host) = headers.get(header::HOST).cloned() {
            headers.insert(http::HeaderName::from_static("x-forwarded-host"), host);
        }
        let client = client.or_else(|| head.peer_addr.map(|peer| peer.ip()));
        if let Some(value) = client.and_then(|client| http::HeaderValue::from_str(&client.to_string()).ok()) {
            headers.insert(http::HeaderName::from_static("x-real-ip"), value.clone());
            headers.insert(http::HeaderName::from_static("x-forwarded-for"), value);
        }
    }

    /// Puts the headers that a browser may have of an app's answer into `answer`.
    ///
    /// `status`: of the answer; 304 keeps the length of what it does not carry.
    pub fn answer_of_app(
        &self,
        status: http::StatusCode,
        headers: &http::HeaderMap,
        below: &Below<'_>,
        answer: &mut HeaderMap,
    ) {
        let hops = Hops::named(headers.get_all(header::CONNECTION).iter().map(http::HeaderValue::as_bytes));
        for (name, value) in headers {
            let kept = match name.as_str() {
                "set-cookie" => cookie::from_app(value, self.style, below.prefix),
                "location" | "content-location" if below.is_taken_off() => below.lead(value),
                "content-security-policy" => without_frame_ancestors(value),
                "content-length" if status != http::StatusCode::NOT_MODIFIED => None,
                word if is_hop(word) || is_not_an_apps(word) || hops.names(word) => None,
                _ => HeaderValue::from_bytes(value.as_bytes()).ok(),
            };
            if let (Some(kept), Ok(name)) = (kept, HeaderName::from_bytes(name.as_str().as_bytes())) {
                answer.append(name, kept);
            }
        }
        answer.append(HeaderName::from_static("content-security-policy"), self.frame_ancestors.clone());
    }
}

/// Below which path browsers reach an app.
#[derive(Clone, Copy, Debug)]
pub struct Below<'a> {
    /// Empty where the app has a name of its own; otherwise without a slash at its end.
    pub prefix: &'a str,
    /// Whether the app is asked with the prefix, and answers with it.
    pub kept: bool,
    /// The host that browsers name.
    pub host: &'a str,
}

impl Below<'_> {
    /// Whether the app knows nothing of the prefix.
    const fn is_taken_off(&self) -> bool {
        !self.prefix.is_empty() && !self.kept
    }

    /// What the app is asked for where browsers ask for `target`.
    #[must_use]
    pub fn asked<'b>(&self, target: &'b str) -> &'b str {
        if self.is_taken_off() { self.inner(target) } else { target }
    }

    /// The part of a path behind the prefix.
    #[must_use]
    pub fn inner<'b>(&self, path: &'b str) -> &'b str {
        path.strip_prefix(self.prefix).unwrap_or(path)
    }

    /// Where an address that the app names as its own is for browsers.
    fn lead(&self, value: &http::HeaderValue) -> Option<HeaderValue> {
        let text = value.to_str().ok()?;
        let own = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .or_else(|| text.strip_prefix("//"))
            .and_then(|rest| rest.strip_prefix(self.host))
            .filter(|path| path.starts_with('/'));
        let path = own.or_else(|| Some(text).filter(|text| text.starts_with('/') && !text.starts_with("//")));
        match path {
            Some(path) => HeaderValue::from_str(&format!("{}{path}", self.prefix)).ok(),
            None => HeaderValue::from_str(text).ok(),
        }
    }
}

/// The headers that a `Connection` header names: they are for one hop.
struct Hops<'a>(Vec<&'a [u8]>);

impl<'a> Hops<'a> {
    fn named(connection: impl Iterator<Item = &'a [u8]>) -> Self {
        const USUAL: [&[u8]; 3] = [b"keep-alive", b"close", b"upgrade"];
        let words = connection.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        Self(words.filter(|word| !USUAL.iter().any(|usual| usual.eq_ignore_ascii_case(word))).collect())
    }

    fn names(&self, word: &str) -> bool {
        // What the next hop cannot do without is not the client's to take away.
        word != "host" && self.0.iter().any(|named| named.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Headers of one hop (RFC 9110, section 7.6.1), and those of older days.
fn is_hop(word: &str) -> bool {
    matches!(
        word,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Headers by which an app learns for whom a request is: only we say that. Underscores count as hyphens, since CGI and
/// WSGI know no difference.
fn is_forwarding(word: &str) -> bool {
    const PREFIX: &[u8] = b"x-forwarded";
    let same = |text: &[u8], other: &[u8]| {
        text.len() == other.len() && text.iter().zip(other).all(|(a, b)| a == b || (*a == b'_' && *b == b'-'))
    };
    let bytes = word.as_bytes();
    word == "forwarded"
        || same(bytes, b"x-real-ip")
        || bytes.get(..PREFIX.len()).is_some_and(|start| same(start, PREFIX))
}

/// Headers by which an app would reach beyond its own origin, or past the gateway: into its framing, into the
/// platform's cookies on a common domain, to another address for the same origin, into a proxy in front of us.
fn is_not_an_apps(word: &str) -> bool {
    matches!(
        word,
        "x-frame-options" | "clear-site-data" | "alt-svc" | "public-key-pins" | "x-accel-redirect" | "x-sendfile"
    )
}

/// Writes how long the request's body is, from what the parser made of it: none, so many bytes, or chunks.
fn framing(head: &RequestHead, headers: &mut http::HeaderMap) {
    if head.headers.contains_key(header::TRANSFER_ENCODING.as_str()) {
        headers.insert(header::TRANSFER_ENCODING, http::HeaderValue::from_static("chunked"));
        return;
    }
    let length = head.headers.get(header::CONTENT_LENGTH.as_str()).and_then(|value| value.to_str().ok());
    if let Some(length) = length.and_then(|text| text.trim().parse::<u64>().ok()) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

/// A policy without its say on frames, which is ours. `None`: it said nothing else.
fn without_frame_ancestors(value: &http::HeaderValue) -> Option<HeaderValue> {
    let policies = value.as_bytes().split(|byte| *byte == b',').filter_map(|policy| {
        let directives = policy.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kept: Vec<&[u8]> = directives.filter(|text| !text.is_empty() && !is_frame_ancestors(text)).collect();
        (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
    });
    let policies: Vec<Vec<u8>> = policies.collect();
    if policies.is_empty() { None } else { HeaderValue::from_bytes(&policies.join(&b", "[..])).ok() }
}

fn is_frame_ancestors(directive: &[u8]) -> bool {
    let name = directive.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"frame-ancestors")
}

fn convert_name(name: &HeaderName) -> Result<http::HeaderName, BadHeader> {
    http::HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| BadHeader(name.to_string()))
}

fn convert_value(word: &str, value: &HeaderValue) -> Result<http::HeaderValue, BadHeader> {
    http::HeaderValue::from_bytes(value.as_bytes()).map_err(|_| BadHeader(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn ours() -> Ours {
        Ours::new("https", "https://platform.test", Style::Plain)
    }

    /// Of an app with a name of its own.
    const ALONE: Below<'_> = Below { prefix: "", kept: false, host: "a.apps.platform.test" };

    fn to_app(headers: &[(&str, &str)]) -> http::HeaderMap {
        let mut request = TestRequest::get().insert_header(("host", "a.apps.platform.test"));
        for header in headers {
            request = request.append_header(*header);
        }
        let request = request.to_srv_request();
        let client = Some(IpAddr::from([203, 0, 113, 7]));
        ours().to_app(request.head(), client, &ALONE, false, |value| value != "Bearer ours").unwrap()
    }

    fn from_app(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
        }
        let mut answer = HeaderMap::new();
        ours().answer_of_app(http::StatusCode::OK, &map, &ALONE, &mut answer);
        answer
    }

    #[test]
    fn the_app_learns_from_us_alone_for_whom_a_request_is() {
        let forged = [
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil.test"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded-prefix", "/evil"),
            ("x_real-ip", "1.2.3.4"),
        ];
        let headers = to_app(&forged);
        let said = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(said("x-forwarded-for"), ["203.0.113.7"]);
        assert_eq!(said("x-real-ip"), ["203.0.113.7"]);
        assert_eq!(said("x-forwarded-host"), ["a.apps.platform.test"]);
        assert_eq!(said("x-forwarded-proto"), ["https"]);
        assert_eq!(headers.len(), 5, "{headers:?}");
    }

    #[test]
    fn headers_of_one_hop_end_here_with_all_that_connection_names() {
        let headers = to_app(&[
            ("connection", "Keep-Alive, X-Secret, host"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("x-kept", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
        ]);
        let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-kept", "x-real-ip"]);
    }

    #[test]
    fn the_platforms_credentials_stay_here_and_the_apps_own_pass() {
        let headers = to_app(&[("authorization", "Bearer ours"), ("cookie", "__Host-app=x; a=1")]);
        assert_eq!((headers.get("authorization"), headers["cookie"].to_str().unwrap()), (None, "a=1"));
        assert_eq!(to_app(&[("authorization", "Basic abc")])["authorization"], "Basic abc");
    }

    #[test]
    fn a_tunnel_asks_the_app_for_a_websocket_and_nothing_else_does() {
        let request = TestRequest::get().insert_header(("connection", "x-a, Upgrade")).to_srv_request();
        let headers = ours().to_app(request.head(), None, &ALONE, true, |_| true).unwrap();
        assert_eq!(
            (headers["connection"].as_bytes(), headers["upgrade"].as_bytes()),
            (&b"Upgrade"[..], &b"websocket"[..])
        );
        assert!(!to_app(&[("connection", "Upgrade"), ("upgrade", "websocket")]).contains_key("upgrade"));
    }

    #[test]
    fn below_one_name_an_app_is_asked_without_its_prefix_learns_it_and_is_led_by_it() {
        let below = Below { prefix: "/s/a", kept: false, host: "apps.test" };
        assert_eq!((below.asked("/s/a/x?y=/s/a"), below.inner("/s/a/x")), ("/x?y=/s/a", "/x"));
        let request = TestRequest::get().insert_header(("x-forwarded-prefix", "/evil")).to_srv_request();
        let headers = ours().to_app(request.head(), None, &below, false, |_| true).unwrap();
        assert_eq!(headers.get_all("x-forwarded-prefix").iter().collect::<Vec<_>>(), ["/s/a"]);
        let lead = |to: &'static str| below.lead(&http::HeaderValue::from_static(to)).unwrap();
        for (said, led) in [
            ("/lab", "/s/a/lab"),
            ("https://apps.test/lab", "/s/a/lab"),
            ("//apps.test/", "/s/a/"),
            ("next", "next"),
            ("https://apps.test.evil/lab", "https://apps.test.evil/lab"),
            ("//elsewhere.test/", "//elsewhere.test/"),
        ] {
            assert_eq!(lead(said), led, "{said}");
        }
        let kept = Below { kept: true, ..below };
        assert_eq!(kept.asked("/s/a/x"), "/s/a/x");
        let mut answer = HeaderMap::new();
        let said = http::HeaderMap::from_iter([(header::LOCATION, http::HeaderValue::from_static("/s/a/lab"))]);
        ours().answer_of_app(http::StatusCode::FOUND, &said, &kept, &mut answer);
        assert_eq!(answer.get("location").unwrap(), "/s/a/lab");
    }

    #[test]
    fn the_framing_of_a_body_is_written_anew() {
        assert_eq!(to_app(&[("content-length", " 12 ")])["content-length"], "12");
        assert_eq!(to_app(&[("transfer-encoding", "Chunked")])["transfer-encoding"], "chunked");
        assert!(!to_app(&[]).contains_key("content-length"));
    }

    #[test]
    fn only_the_dashboard_and_the_app_itself_may_frame_a_page() {
        let answer = from_app(&[
            ("x-frame-options", "ALLOWALL"),
            ("content-security-policy", "default-src 'self'; FRAME-Ancestors *; img-src *, frame-ancestors *"),
            ("content-security-policy", "frame-ancestors 'self'"),
        ]);
        let policies: Vec<&HeaderValue> = answer.get_all("content-security-policy").collect();
        assert_eq!(policies, ["default-src 'self'; img-src *", "frame-ancestors 'self' https://platform.test"]);
        assert!(!answer.contains_key("x-frame-options"));
    }

    #[test]
    fn an_app_reaches_neither_the_platforms_cookies_nor_past_the_gateway() {
        let answer = from_app(&[
            ("set-cookie", "a=1; Domain=platform.test"),
            ("set-cookie", "b=2"),
            ("set-cookie", "__Host-app=x; Secure; Path=/"),
            ("clear-site-data", "\"cookies\""),
            ("alt-svc", "h2=\"evil.test:443\""),
            ("x-accel-redirect", "/etc"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("content-length", "7"),
            ("x-kept", "1"),
        ]);
        let cookies: Vec<&HeaderValue> = answer.get_all("set-cookie").collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        let mut names: Vec<&str> = answer.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-security-policy", "set-cookie", "x-kept"]);
    }
}
