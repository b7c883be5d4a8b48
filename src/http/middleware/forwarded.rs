//! Who is really at the other end: `X-Forwarded-*` is believed from configured proxies and from nobody else.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use ipnet::IpNet;

/// Proxies whose headers are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Reads addresses (`10.0.0.7`) and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// The first word that is neither.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let word = |word: &String| {
            let trimmed = word.trim();
            trimmed.parse().or_else(|_| trimmed.parse::<IpAddr>().map(IpNet::from)).map_err(|_| trimmed.to_owned())
        };
        words.iter().map(word).collect::<Result<_, _>>().map(Self)
    }

    fn trusted(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The caller's address: the peer, or where the peer is a proxy of ours the last address of `X-Forwarded-For`
    /// that is not one. What a caller wrote in front of that is never looked at.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusted(client) {
            return client;
        }
        let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
            if !self.trusted(client) {
                break;
            }
        }
        client
    }

    /// Whether the caller came by https: by our own TLS, or as a proxy of ours says.
    #[must_use]
    pub fn secure(&self, peer: Option<IpAddr>, own_tls: bool, headers: &HeaderMap) -> bool {
        let proxy = peer.is_some_and(|peer| self.trusted(peer.to_canonical()));
        let said = || headers.get(X_FORWARDED_PROTO).is_some_and(|scheme| scheme.as_bytes() == b"https");
        own_tls || (proxy && said())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        Proxies::parse(&trusted).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_another_address_and_a_proxy_of_ours_can() {
        assert_eq!(client(&[], "192.0.2.9", &["203.0.113.1"]), "192.0.2.9");
        assert_eq!(client(&["192.0.2.0/24"], "192.0.2.9", &["203.0.113.1"]), "203.0.113.1");
        assert_eq!(client(&["192.0.2.9"], "::ffff:192.0.2.9", &["203.0.113.1"]), "203.0.113.1");
    }

    #[test]
    fn only_the_last_hop_that_is_not_ours_counts() {
        let ours = ["10.0.0.0/8"];
        assert_eq!(client(&ours, "10.0.0.1", &["6.6.6.6, 203.0.113.1, 10.0.0.2"]), "203.0.113.1");
        assert_eq!(client(&ours, "10.0.0.1", &["6.6.6.6", "203.0.113.1"]), "203.0.113.1");
        assert_eq!(client(&ours, "10.0.0.1", &["203.0.113.1, garbage"]), "10.0.0.1");
        assert_eq!(client(&ours, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn https_is_believed_from_a_proxy_of_ours_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        let proxies = Proxies::parse(&["10.0.0.1".into()]).unwrap();
        assert!(proxies.secure(Some("10.0.0.1".parse().unwrap()), false, &headers));
        assert!(!proxies.secure(Some("10.0.0.2".parse().unwrap()), false, &headers));
        assert!(proxies.secure(None, true, &HeaderMap::new()));
    }

    #[test]
    fn a_word_that_is_no_address_is_named() {
        assert_eq!(Proxies::parse(&["10.0.0.0/8".into(), "proxy.local".into()]).unwrap_err(), "proxy.local");
    }
}
