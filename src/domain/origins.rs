//! Origins: which session, and which of its ports, a host name means, and the other way round.

/// Digits of the largest port.
const PORT_DIGITS: usize = 5;
/// Between the port and the session in a host name.
const DELIMITER: &str = "--";

/// A session's origin, as its host name tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// `metadata.name` of the Session; it need not exist.
    pub session: String,
    /// A further port of the program; `None`: its main one.
    pub port: Option<u16>,
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
}

impl Hosts {
    /// From the public URL and the domain of the apps with its port.
    #[must_use]
    pub fn new(public_url: &url::Url, apps_authority: &str) -> Self {
        let authority = apps_authority.to_ascii_lowercase();
        Self {
            scheme: public_url.scheme().to_owned(),
            dashboard: public_url.origin().ascii_serialization(),
            suffix: format!(".{}", without_port(&authority)),
            authority,
        }
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

    /// The place that a `Host` header means; `None`: it is not below the domain of the apps.
    ///
    /// A label that begins with a number and two hyphens always names a port, so that no two sessions share an origin.
    #[must_use]
    pub fn place(&self, host: &str) -> Option<Place> {
        let label = self.label(host)?;
        match split_port(label) {
            Some((port, session)) => Some(Place { session: session.to_ascii_lowercase(), port: Some(port) }),
            None => Some(Place { session: label.to_ascii_lowercase(), port: None }),
        }
    }

    /// The one label in front of the domain of the apps.
    fn label<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = without_port(host);
        let at = name.len().checked_sub(self.suffix.len()).filter(|at| *at > 0)?;
        let (label, suffix) = name.split_at_checked(at)?;
        let is_label = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (suffix.eq_ignore_ascii_case(&self.suffix) && is_label).then_some(label)
    }

    /// The origin of a session: of its main port, or of another one.
    ///
    /// `main`: the main port, which a session has to name whose own name looks like one with a port.
    #[must_use]
    pub fn origin(&self, session: &str, port: Option<u16>, main: u16) -> String {
        let port = port.or_else(|| split_port(session).map(|_| main));
        match port {
            Some(port) => format!("{}://{port}{DELIMITER}{session}.{}", self.scheme, self.authority),
            None => format!("{}://{session}.{}", self.scheme, self.authority),
        }
    }
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
        Hosts::new(&"http://localhost:8000/".parse().unwrap(), "localhost:8000")
    }

    fn place(session: &str, port: Option<u16>) -> Place {
        Place { session: session.into(), port }
    }

    #[test]
    fn the_host_tells_the_session_and_the_port() {
        let hosts = local();
        assert_eq!(hosts.place("alice-terminal-1.localhost:8000"), Some(place("alice-terminal-1", None)));
        assert_eq!(hosts.place("8888--alice-1.localhost"), Some(place("alice-1", Some(8888))));
        assert_eq!(hosts.place("Alice-1.LOCALHOST:1"), Some(place("alice-1", None)));
        assert_eq!(hosts.place("a--b.localhost"), Some(place("a--b", None)));
        assert_eq!(hosts.place("70000--b.localhost"), Some(place("70000--b", None)));
    }

    #[test]
    fn what_is_not_one_label_below_the_domain_is_not_an_app() {
        let hosts = local();
        for host in
            ["localhost", "localhost:8000", ".localhost", "a.b.localhost", "a.localhost.", "a.localhost.evil", ""]
        {
            assert_eq!(hosts.place(host), None, "{host}");
        }
        for host in ["127.0.0.1:8000", "[::1]:8000", "ü.localhost", "a_b.localhost", "xlocalhost", "a%2e.localhost"] {
            assert_eq!(hosts.place(host), None, "{host}");
        }
    }

    #[test]
    fn an_origin_leads_back_to_its_place_and_no_two_sessions_share_one() {
        let hosts = Hosts::new(&"https://platform.test/".parse().unwrap(), "apps.platform.test");
        assert_eq!(hosts.dashboard(), "https://platform.test");
        let mut seen = std::collections::HashSet::new();
        for session in ["a", "80--a", "8--80--a", "99999--a"] {
            for port in [None, Some(80), Some(8)] {
                let origin = hosts.origin(session, port, 5000);
                let found = hosts.place(origin.strip_prefix("https://").unwrap()).unwrap();
                assert_eq!(found.session, session, "{origin}");
                assert!(found.port == port || (port.is_none() && found.port == Some(5000)), "{origin}");
                assert!(seen.insert(origin.clone()), "{origin} stands for two");
            }
        }
    }

    #[test]
    fn secure_cookies_are_for_https_and_this_machine() {
        let trusts = |url: &str, apps: &str| Hosts::new(&url.parse().unwrap(), apps).is_trustworthy();
        assert!(trusts("http://localhost:8000", "localhost:8000"));
        assert!(trusts("https://platform.test", "apps.platform.test"));
        assert!(!trusts("http://platform.test", "apps.platform.test"));
        assert!(!trusts("http://platform.test", "notlocalhost"));
    }
}
