//! Where the server may connect to on somebody's word: rules over URLs and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Most bytes of a URL.
const URL_BYTES: usize = 2_000;

/// Prefixes of URLs that an administrator lets through, whatever their address and although they are plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(Vec<Url>);

impl Exceptions {
    /// Reads a list of URL prefixes, such as `https://git.corp.example/` or `http://10.0.0.5:3000/team/`.
    ///
    /// # Errors
    /// A sentence about the first that is none.
    pub fn parse<T: AsRef<str>>(prefixes: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut known = Vec::new();
        for prefix in prefixes {
            let text = prefix.as_ref().trim();
            let url = Url::parse(text).map_err(|error| format!("“{text}” is no URL ({error})"))?;
            if url.host().is_none() || url.query().is_some() || url.fragment().is_some() {
                return Err(format!("“{text}” is no prefix: write scheme, host and perhaps a path"));
            }
            known.push(url);
        }
        Ok(Self(known))
    }

    /// Whether `url` lies below one of them: same scheme, host and port, and a path within theirs.
    #[must_use]
    pub fn cover(&self, url: &Url) -> bool {
        self.0.iter().any(|prefix| {
            prefix.scheme() == url.scheme()
                && prefix.host() == url.host()
                && prefix.port_or_known_default() == url.port_or_known_default()
                && is_within(prefix.path(), url.path())
        })
    }

    /// As they were written, for another process.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(Url::to_string).collect()
    }
}

/// Whether `path` is `prefix` or lies below it; a prefix ends at a slash.
fn is_within(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks a URL that the server is to fetch from: `https`, with a host that is not an address of an inner network, and
/// no secret in it. What `exceptions` cover may be plain `http` and lie anywhere.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn check(text: &str, exceptions: &Exceptions) -> Result<Url, String> {
    if text.len() > URL_BYTES || text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(format!("a URL has at most {URL_BYTES} bytes, none of them a space or a control character"));
    }
    let url = Url::parse(text).map_err(|_| "write it as https://host/path".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL is no place for a name or a secret: leave them away and give them as credentials".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("leave away what follows “?” or “#”".into());
    }
    check_target(&url, exceptions)?;
    Ok(url)
}

/// Checks where `url` leads, as far as it can be told without asking for the addresses of its host.
///
/// # Errors
/// A sentence that says what is not allowed.
pub fn check_target(url: &Url, exceptions: &Exceptions) -> Result<(), String> {
    if exceptions.cover(url) && matches!(url.scheme(), "http" | "https") {
        return Ok(());
    }
    match url.scheme() {
        "https" => {}
        "http" => return Err("plain http can be read and changed on its way: use https, or have an administrator add it to CATALOG_ALLOW".into()),
        other => return Err(format!("“{other}:” is not fetched from: use https")),
    }
    let inner = match url.host() {
        None => return Err("it names no host".into()),
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
    };
    if inner { Err(inner_network(url.host_str().unwrap_or_default())) } else { Ok(()) }
}

/// Said of an address of an inner network.
#[must_use]
pub fn inner_network(host: &str) -> String {
    format!("{host} is an address of an inner network: an administrator can allow it with CATALOG_ALLOW")
}

fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is one of the public Internet: not loopback, private, link-local, shared, reserved, for
/// documentation or for many, also when it is wrapped into an IPv6 address.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, third, .., seventh, eighth] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (first, second) {
        (0x64, 0xff9b) => third == 0 && inner(seventh, eighth),
        (0x2002, high) => inner(high, third),
        // Teredo and other special uses, documentation.
        (0x2001, 0..0x200 | 0xdb8) | (0x3fff, 0..0x1000) => false,
        // Only 2000::/3 is given out.
        _ => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_inner_networks_are_told_from_public_ones_however_they_are_wrapped() {
        let inner = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "240.0.0.1",
            "192.0.0.192",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "::127.0.0.1",
        ];
        for address in inner {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "140.82.121.4",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn only_https_to_a_public_host_is_fetched_from() {
        let none = Exceptions::default();
        assert!(check("https://git.example.com/team/catalog.git", &none).is_ok());
        let refused = [
            "http://git.example.com/x",
            "file:///etc/passwd",
            "ext::sh -c x",
            "/etc",
            "ssh://git@example.com/x",
            "git://example.com/x",
            "https://localhost/x",
            "https://a.localhost./x",
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://user:secret@example.com/x",
            "https://example.com/x?token=1",
            "https://example.com/a b",
        ];
        for url in refused {
            assert!(check(url, &none).is_err(), "{url}");
        }
    }

    #[test]
    fn an_exception_covers_its_own_host_port_and_folder_and_nothing_beside() {
        let some = Exceptions::parse(["http://10.0.0.5:3000/team", "https://git.corp.internal"]).unwrap();
        for url in ["http://10.0.0.5:3000/team", "http://10.0.0.5:3000/team/x.git", "https://git.corp.internal/x"] {
            assert!(check(url, &some).is_ok(), "{url}");
        }
        let beside = [
            "http://10.0.0.5:3000/teams",
            "http://10.0.0.5:3000/team/../x",
            "http://10.0.0.5/team",
            "http://10.0.0.6:3000/team",
            "http://git.corp.internal/x",
            "https://10.0.0.5:3000/team",
        ];
        for url in beside {
            assert!(check(url, &some).is_err(), "{url}");
        }
        assert!(Exceptions::parse(["not a url"]).is_err());
    }
}
