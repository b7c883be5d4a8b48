//! Origins: which session, and which of its ports, an address means, and the other way round.

/// Digits of the largest port.
const PORT_DIGITS: usize = 5;
/// Between the port and the session in a host name.
const DELIMITER: &str = "--";
/// In front of the place, where all apps have one name.
const BELOW: &str = "/s/";

/// Where a program is reached, as its address tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// `metadata.name` of the Session; it need not exist.
    pub session: String,
    /// A further port of the program; `None`: its main one.
    pub port: Option<u16>,
}

/// An address of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The place.
    pub place: Place,
    /// Bytes at the beginning of the path that lead there; what follows is asked of the program.
    pub prefix: usize,
}

/// How addresses tell places apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// By their names: each has an origin of its own.
    #[default]
    Subdomain,
    /// By their paths, below one name: all share its origin.
    Host,
}

/// The names under which people reach the server and the apps.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// `http` or `https`, as browsers see it.
    scheme: String,
    /// Origin of the dashboard.
    dashboard: String,
    /// `.{APPS_DOMAIN}` without a port, lower case.
    suffix: String,
    /// `APPS_DOMAIN` with the port that browsers use.
    authority: String,
    routing: Routing,
}

impl Hosts {
    /// From the public URL and the domain of the apps with its port.
    #[must_use]
    pub fn new(public_url: &url::Url, apps_authority: &str, routing: Routing) -> Self {
        let authority = apps_authority.to_ascii_lowercase();
        Self {
            scheme: public_url.scheme().to_owned(),
            dashboard: public_url.origin().ascii_serialization(),
            suffix: format!(".{}", without_port(&authority)),
            authority,
            routing,
        }
    }

    /// How addresses tell places apart.
    #[must_use]
    pub const fn routing(&self) -> Routing {
        self.routing
    }

    /// `http` or `https`, as browsers see it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The dashboard's origin, without a slash at its end.
    #[must_use]
    pub fn dashboard(&self) -> &str {
        &self.dashboard
    }

    /// Whether browsers hand a `Secure` cookie to the apps: over https, or on this machine.
    #[must_use]
    pub fn is_trustworthy(&self) -> bool {
        self.scheme == "https" || self.suffix == ".localhost" || self.suffix.ends_with(".localhost")
    }

    /// The place that a `Host` header and a path mean; `None`: no app is there.
    ///
    /// A label that begins with a number and two hyphens always names a port, so that no two sessions share an address.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Address> {
        let (label, prefix) = match self.routing {
            Routing::Subdomain => (self.label(host)?, 0),
            Routing::Host => {
                let label = path.strip_prefix(BELOW)?.split('/').next()?;
                let is_ours = without_port(host).eq_ignore_ascii_case(self.suffix.trim_start_matches('.'));
                (is_label(label).then_some(label).filter(|_| is_ours)?, BELOW.len() + label.len())
            }
        };
        let place = match split_port(label) {
            Some((port, session)) => Place { session: session.to_ascii_lowercase(), port: Some(port) },
            None => Place { session: label.to_ascii_lowercase(), port: None },
        };
        Some(Address { place, prefix })
    }

    /// The one label in front of the domain of the apps.
    fn label<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = without_port(host);
        let at = name.len().checked_sub(self.suffix.len()).filter(|at| *at > 0)?;
        let (label, suffix) = name.split_at_checked(at)?;
        (suffix.eq_ignore_ascii_case(&self.suffix) && is_label(label)).then_some(label)
    }

    /// The address of a session's program, without a slash at its end: of its main port, or of another one.
    ///
    /// `main`: the main port, which a session has to name whose own name looks like one with a port.
    #[must_use]
    pub fn address(&self, session: &str, port: Option<u16>, main: u16) -> String {
        let label = match port.or_else(|| split_port(session).map(|_| main)) {
            Some(port) => format!("{port}{DELIMITER}{session}"),
            None => session.to_owned(),
        };
        match self.routing {
            Routing::Subdomain => format!("{}://{label}.{}", self.scheme, self.authority),
            Routing::Host => format!("{}://{}{BELOW}{label}", self.scheme, self.authority),
        }
    }

    /// The path below which a session's program is reached at its main port, with slashes around.
    #[must_use]
    pub fn base_path(&self, session: &str, main: u16) -> String {
        match (self.routing, split_port(session)) {
            (Routing::Subdomain, _) => "/".into(),
            (Routing::Host, None) => format!("{BELOW}{session}/"),
            (Routing::Host, Some(_)) => format!("{BELOW}{main}{DELIMITER}{session}/"),
        }
    }

    /// The origins of the apps, as a policy of contents names them.
    #[must_use]
    pub fn source(&self) -> String {
        match self.routing {
            Routing::Subdomain => format!("{}://*.{}", self.scheme, self.authority),
            Routing::Host => format!("{}://{}", self.scheme, self.authority),
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `8888--name` in its two parts.
fn split_port(label: &str) -> Option<(u16, &str)> {
    let (digits, session) = label.split_once(DELIMITER)?;
    let is_number = (1..=PORT_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_number && *port > 0)?;
    (!session.is_empty()).then_some((port, session))
}

/// A host without its port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Hosts {
        Hosts::new(&"http://localhost:8000/".parse().unwrap(), "localhost:8000", Routing::Subdomain)
    }

    fn below_one_name() -> Hosts {
        Hosts::new(&"https://platform.test/".parse().unwrap(), "apps.test", Routing::Host)
    }

    fn place(session: &str, port: Option<u16>) -> Place {
        Place { session: session.into(), port }
    }

    fn found(hosts: &Hosts, host: &str) -> Option<Place> {
        hosts.find(host, "/any").map(|address| address.place)
    }

    #[test]
    fn the_host_tells_the_session_and_the_port() {
        let hosts = local();
        assert_eq!(found(&hosts, "alice-terminal-1.localhost:8000"), Some(place("alice-terminal-1", None)));
        assert_eq!(found(&hosts, "8888--alice-1.localhost"), Some(place("alice-1", Some(8888))));
        assert_eq!(found(&hosts, "Alice-1.LOCALHOST:1"), Some(place("alice-1", None)));
        assert_eq!(found(&hosts, "a--b.localhost"), Some(place("a--b", None)));
        assert_eq!(found(&hosts, "70000--b.localhost"), Some(place("70000--b", None)));
    }

    #[test]
    fn what_is_not_one_label_below_the_domain_is_not_an_app() {
        let hosts = local();
        for host in
            ["localhost", "localhost:8000", ".localhost", "a.b.localhost", "a.localhost.", "a.localhost.evil", ""]
        {
            assert_eq!(found(&hosts, host), None, "{host}");
        }
        for host in ["127.0.0.1:8000", "[::1]:8000", "ü.localhost", "a_b.localhost", "xlocalhost", "a%2e.localhost"] {
            assert_eq!(found(&hosts, host), None, "{host}");
        }
    }

    #[test]
    fn an_address_leads_back_to_its_place_and_no_two_sessions_share_one() {
        for routing in [Routing::Subdomain, Routing::Host] {
            let hosts = Hosts::new(&"https://platform.test/".parse().unwrap(), "apps.test", routing);
            assert_eq!(hosts.dashboard(), "https://platform.test");
            let mut seen = std::collections::HashSet::new();
            for session in ["a", "80--a", "8--80--a", "99999--a"] {
                for port in [None, Some(80), Some(8)] {
                    let text = hosts.address(session, port, 5000);
                    let url: url::Url = format!("{text}/x").parse().unwrap();
                    let Address { place, prefix } = hosts.find(url.host_str().unwrap(), url.path()).unwrap();
                    assert_eq!((place.session.as_str(), &url.path()[prefix..]), (session, "/x"), "{text}");
                    assert!(place.port == port || (port.is_none() && place.port == Some(5000)), "{text}");
                    assert!(seen.insert(text.clone()), "{text} stands for two");
                }
                let base = hosts.base_path(session, 5000);
                let main: url::Url = hosts.address(session, None, 5000).parse().unwrap();
                assert_eq!(base.trim_end_matches('/'), main.path().trim_end_matches('/'));
            }
        }
    }

    #[test]
    fn below_one_name_the_path_tells_the_session_and_other_names_and_paths_are_no_apps() {
        let hosts = below_one_name();
        let alice = Address { place: place("alice-1", None), prefix: "/s/alice-1".len() };
        assert_eq!(hosts.find("apps.test", "/s/alice-1/lab"), Some(alice.clone()));
        assert_eq!(hosts.find("Apps.Test:8000", "/s/alice-1"), Some(alice));
        assert_eq!(hosts.find("apps.test", "/s/8888--a/").map(|it| it.place), Some(place("a", Some(8888))));
        for (host, path) in [
            ("apps.test", "/"),
            ("apps.test", "/s/"),
            ("apps.test", "/s//a"),
            ("apps.test", "/s/a%2e/"),
            ("apps.test", "/x/s/a/"),
            ("platform.test", "/s/a/"),
            ("a.apps.test", "/s/a/"),
            ("xapps.test", "/s/a/"),
        ] {
            assert_eq!(hosts.find(host, path), None, "{host}{path}");
        }
        assert_eq!(hosts.source(), "https://apps.test");
        assert_eq!(local().source(), "http://*.localhost:8000");
    }

    #[test]
    fn secure_cookies_are_for_https_and_this_machine() {
        let trusts =
            |url: &str, apps: &str| Hosts::new(&url.parse().unwrap(), apps, Routing::Subdomain).is_trustworthy();
        assert!(trusts("http://localhost:8000", "localhost:8000"));
        assert!(trusts("https://platform.test", "apps.platform.test"));
        assert!(!trusts("http://platform.test", "apps.platform.test"));
        assert!(!trusts("http://platform.test", "notlocalhost"));
    }
}
