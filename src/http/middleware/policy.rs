//! What the configuration says about requests, read once.

use super::{forwarded::Proxies, host::Hosts, origin::Origins, rate_limit::Limits, security_headers::SecurityHeaders};
use crate::config::{self, Changing};

/// What every request is measured by.
#[derive(Debug)]
pub struct Policy {
    /// Our names.
    pub hosts: Hosts,
    /// Whose pages may act.
    pub origins: Origins,
    /// Whose `X-Forwarded-*` is believed.
    pub proxies: Proxies,
    /// Headers of every answer.
    pub headers: SecurityHeaders,
    /// How often one may ask.
    pub limits: Limits,
    /// Whether our own sockets speak TLS.
    pub own_tls: bool,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting} holds {word}, which is not {expected}")]
pub struct PolicyError {
    setting: &'static str,
    word: String,
    expected: &'static str,
}

impl Policy {
    /// As configured; how often one may ask as `settings` say at each moment.
    ///
    /// # Errors
    /// The setting that cannot be used, with the word in it.
    pub fn new(config: &config::Http, settings: &Changing) -> Result<Self, PolicyError> {
        let public_url = config.public_url();
        let error = |setting, expected| move |word: String| PolicyError { setting, word, expected };
        Ok(Self {
            hosts: Hosts::new(&public_url),
            origins: Origins::new(&public_url, &config.cors_origins)
                .map_err(error("CORS_ORIGINS", "an origin such as https://portal.example"))?,
            proxies: Proxies::parse(&config.trusted_proxies)
                .map_err(error("TRUSTED_PROXIES", "an address or a network such as 10.0.0.0/8"))?,
            headers: SecurityHeaders::new(config)
                .map_err(|_| error("APPS_DOMAIN", "a domain")(config.apps_domain.clone()))?,
            limits: Limits::new(settings.clone()),
            own_tls: config.tls_cert_file.is_some(),
        })
    }
}
