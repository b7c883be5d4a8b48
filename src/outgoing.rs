//! The one dialler: resolves a name once, checks what comes out, and connects to exactly that.
//!
//! Between the check and the connection nothing asks for the name again, so that a name cannot be one thing when it is
//! looked at and another when it is dialled.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::domain::outgoing::{Exceptions, check_target, host, inner_network, is_public, port};

/// Longest time for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Longest silence in the middle of an answer.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Clients for URLs that somebody gave: one that reaches only public addresses, and one for what an administrator
/// excepted from that. Neither follows redirects, knows proxies or keeps cookies.
#[derive(Debug)]
pub struct Dialler {
    exceptions: Exceptions,
    // Made when they are needed: those for https read the host's certificates.
    public: [OnceLock<reqwest::Client>; 2],
    anywhere: [OnceLock<reqwest::Client>; 2],
}

impl Dialler {
    /// With those exceptions.
    #[must_use]
    pub fn new(exceptions: Exceptions) -> Self {
        // Another part may have been first; either's is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { exceptions, public: Default::default(), anywhere: Default::default() }
    }

    /// The client for `url`.
    ///
    /// # Errors
    /// A sentence that says why that is not allowed, or that the host's certificates cannot be read.
    pub fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        check_target(url, &self.exceptions)?;
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(READ_WITHIN)
            .user_agent(concat!("git/2.0 (streamspace ", env!("CARGO_PKG_VERSION"), ")"));
        // No redirect is followed from one to the other.
        let secure = url.scheme() == "https";
        let builder = if secure { builder.https_only(true) } else { builder.tls_certs_only([]) };
        let (kept, builder) = if self.exceptions.cover(url) {
            (&self.anywhere, builder)
        } else {
            (&self.public, builder.dns_resolver(Arc::new(Public)))
        };
        let kept = &kept[usize::from(secure)];
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let made = builder.build().map_err(|error| error.to_string())?;
        Ok(kept.get_or_init(|| made))
    }

    /// The one address to dial for `url`, for those who dial themselves: the first of its host's that is allowed.
    ///
    /// # Errors
    /// A sentence that says why there is none, and whether there may be one later.
    pub async fn address(&self, url: &Url) -> Result<SocketAddr, (String, bool)> {
        check_target(url, &self.exceptions).map_err(|why| (why, false))?;
        let host = host(url).map_err(|why| (why, false))?;
        let found: Vec<SocketAddr> = match &host {
            Host::Ipv4(address) => vec![(*address, port(url)).into()],
            Host::Ipv6(address) => vec![(*address, port(url)).into()],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), port(url)))
                .await
                .map_err(|error| (format!("{name} cannot be reached: {error}"), true))?
                .collect(),
        };
        let allowed = |address: &&SocketAddr| self.exceptions.cover(url) || is_public(address.ip());
        found.iter().find(allowed).copied().ok_or_else(|| (inner_network(&host.to_string()), false))
    }
}

/// Resolves names to their public addresses.
#[derive(Debug)]
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(only_public(&host, found)?)
        })
    }
}

fn only_public(host: &str, found: Vec<SocketAddr>) -> io::Result<Addrs> {
    let public: Vec<SocketAddr> = found.into_iter().filter(|address| is_public(address.ip())).collect();
    if public.is_empty() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, inner_network(host)));
    }
    Ok(Box::new(public.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn a_name_that_means_an_inner_address_is_not_dialled_and_of_a_mixed_one_only_what_is_public() {
        assert!(only_public("rebind.example", addresses(&["127.0.0.1", "::1", "10.0.0.1"])).is_err());
        let mixed = only_public("mixed.example", addresses(&["169.254.169.254", "1.1.1.1"])).unwrap();
        assert_eq!(mixed.collect::<Vec<_>>(), addresses(&["1.1.1.1"]));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_dialled_only_where_that_is_excepted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url = format!("http://127.0.0.1:{}/x", listener.local_addr().unwrap().port()).parse().unwrap();
        let strict = Dialler::new(Exceptions::default());
        assert!(strict.client(&url).is_err());
        let kind = Dialler::new(Exceptions::parse([url.as_str()]).unwrap());
        assert!(kind.client(&url).is_ok());
        // A name that only turns out to be inner when it is resolved.
        let refused = Public.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.to_string().contains("inner network"), "{refused}");
        let ssh: Url = "ssh://git@127.0.0.1:2222/x".parse().unwrap();
        assert!(strict.address(&ssh).await.is_err());
        let kind = Dialler::new(Exceptions::parse(["ssh://127.0.0.1:2222/"]).unwrap());
        assert_eq!(kind.address(&ssh).await.unwrap(), "127.0.0.1:2222".parse().unwrap());
    }
}
