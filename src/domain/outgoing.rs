//! Where the server may connect to on somebody's word: rules over URLs and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Most bytes of a URL.
const URL_BYTES: usize = 2_000;
/// Where SSH listens.
const SSH_PORT: u16 = 22;

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
                && port(prefix) == port(url)
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

/// The port that `url` leads to; 0 where its scheme has none.
#[must_use]
pub fn port(url: &Url) -> u16 {
    let usual = if url.scheme() == "ssh" { SSH_PORT } else { 0 };
    url.port_or_known_default().unwrap_or(usual)
}

/// Checks a URL that the server is to fetch from: `https` or `ssh`, with a host that is not an address of an inner
/// network, and no secret in it. What `exceptions` cover may be plain `http` and lie anywhere. The short spelling of an
/// SSH URL, `git@host:path`, is taken for `ssh://git@host/path`.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn check(text: &str, exceptions: &Exceptions) -> Result<Url, String> {
    if text.len() > URL_BYTES || text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(format!("a URL has at most {URL_BYTES} bytes, none of them a space or a control character"));
    }
    let text = written_out(text);
    let url = Url::parse(&text).map_err(|_| "write it as https://host/path or ssh://git@host/path".to_owned())?;
    let is_ssh = url.scheme() == "ssh";
    if url.password().is_some() || (!is_ssh && !url.username().is_empty()) {
        return Err("a URL is no place for a name or a secret: leave them away and give them as credentials".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("leave away what follows “?” or “#”".into());
    }
    if is_ssh {
        ssh_user(&url)?;
        ssh_path(&url)?;
    }
    check_target(&url, exceptions)?;
    Ok(url)
}

/// `git@host:path` as a URL; whatever else as it is.
fn written_out(text: &str) -> std::borrow::Cow<'_, str> {
    match text.split_once(':') {
        Some((who, path)) if who.contains('@') && !who.contains('/') && !path.is_empty() => {
            format!("ssh://{who}/{}", path.trim_start_matches('/')).into()
        }
        _ => text.into(),
    }
}

/// The user's name in an SSH URL; `git` where it has none.
///
/// # Errors
/// A sentence about a name that is none.
pub fn ssh_user(url: &Url) -> Result<&str, String> {
    let user = url.username();
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if user.starts_with('-') || !user.chars().all(plain) {
        return Err("the user's name in an SSH URL has letters, digits, “.”, “_” and “-”".into());
    }
    Ok(if user.is_empty() { "git" } else { user })
}

/// The path of the repository in an SSH URL, as git on that host is to be given it.
///
/// # Errors
/// A sentence about a path that is none.
pub fn ssh_path(url: &Url) -> Result<String, String> {
    let path = percent_decoded(url.path());
    if path.trim_matches('/').is_empty() || path.chars().any(char::is_control) {
        return Err("an SSH URL names a path: write ssh://git@host/path".into());
    }
    // Git's own spelling for a folder of that user's.
    Ok(path.strip_prefix('/').filter(|rest| rest.starts_with('~')).map_or(path.clone(), str::to_owned))
}

fn percent_decoded(text: &str) -> String {
    // What a form's name cannot hold as it is, a path can.
    let name = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(name.as_bytes()).next().map(|(path, _)| path.into_owned()).unwrap_or_default()
}

/// Checks where `url` leads, as far as it can be told without asking for the addresses of its host.
///
/// # Errors
/// A sentence that says what is not allowed.
pub fn check_target(url: &Url, exceptions: &Exceptions) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https" | "ssh") {
        return Err(format!("“{}:” is not fetched from: use https or ssh", url.scheme()));
    }
    let host = host(url)?;
    if exceptions.cover(url) {
        return Ok(());
    }
    if url.scheme() == "http" {
        let why = "plain http can be read and changed on its way: use https, or have an administrator add it to \
                   CATALOG_ALLOW";
        return Err(why.into());
    }
    let inner = match &host {
        Host::Domain(name) => is_local_name(name),
        Host::Ipv4(address) => !is_public((*address).into()),
        Host::Ipv6(address) => !is_public((*address).into()),
    };
    if inner { Err(inner_network(url.host_str().unwrap_or_default())) } else { Ok(()) }
}

/// The host of a URL. The `url` crate reads addresses only in URLs of the web, so those of others are read here.
///
/// # Errors
/// A sentence about a host that is none, or is written in a way that hides what it is.
pub fn host(url: &Url) -> Result<Host<String>, String> {
    let text = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    let host = Host::parse(text).map_err(|_| format!("“{text}” is no host"))?;
    if host.to_string() != text.to_ascii_lowercase() {
        return Err(format!("write the host as {host}"));
    }
    Ok(host)
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
            "git://example.com/x",
            "ssh://git:secret@example.com/x",
            "ssh://-oProxyCommand=x@example.com/x",
            "ssh://git@example.com/",
            "ssh://git@127.0.0.1/x",
            "ssh://git@2130706433/x",
            "ssh://git@%6cocalhost/x",
            "ssh://git@[::1]/x",
            "ssh://git@-x/x%0a",
            "git@localhost:x",
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
    fn an_ssh_url_says_user_host_and_path_in_either_spelling() {
        let none = Exceptions::default();
        let parts = |text: &str| {
            let url = check(text, &none).unwrap();
            (ssh_user(&url).unwrap().to_owned(), port(&url), ssh_path(&url).unwrap())
        };
        assert_eq!(parts("git@example.com:team/x.git"), ("git".into(), 22, "/team/x.git".into()));
        assert_eq!(parts("ssh://bot@example.com:2222/a%20b+c&d=e.git"), ("bot".into(), 2222, "/a b+c&d=e.git".into()));
        assert_eq!(parts("ssh://example.com/~bot/x"), ("git".into(), 22, "~bot/x".into()));
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
