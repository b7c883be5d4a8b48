use std::net::IpAddr;

use crate::domain::origins::{Hosts, Routing};

/// How the server is reached.
#[derive(clap::Args, Clone, Debug)]
pub struct Http {
    /// Address to listen on; the default is this machine alone (127.0.0.1 and ::1).
    #[arg(long, env = "API_HOST", default_value = "127.0.0.1")]
    pub api_host: IpAddr,
    /// Port for everything people use.
    #[arg(long, env = "API_PORT", default_value_t = 8000)]
    pub api_port: u16,
    /// Port for metrics and probes, on the same address.
    #[arg(long, env = "MANAGEMENT_PORT", default_value_t = 8080)]
    pub management_port: u16,
    /// The address that people type. Absent: `http://localhost:{API_PORT}`.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<url::Url>,
    /// Domain below which every session has an origin of its own; with a port where it is not the public URL's.
    #[arg(long, env = "APPS_DOMAIN", default_value = "localhost")]
    pub apps_domain: String,
    /// How addresses tell sessions apart: by names below `APPS_DOMAIN`, or by paths below it where there is no wildcard name.
    #[arg(long, env = "APPS_ROUTING", value_enum, default_value_t = AppsRouting::Subdomain)]
    pub apps_routing: AppsRouting,
    /// Origins that may call the API from another page, separated by commas. Empty: only our own.
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Addresses or networks whose `X-Forwarded-*` headers are believed, separated by commas.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    /// Requests a second that one address may make for long; ten times as many at once. 0: no limit.
    #[arg(long, env = "RATE_LIMIT_ADDRESS", default_value_t = 200)]
    pub rate_limit_address: u32,
    /// Requests a second that one person may make for long; ten times as many at once. 0: no limit.
    #[arg(long, env = "RATE_LIMIT_USER", default_value_t = 100)]
    pub rate_limit_user: u32,
    /// Attempts to sign in that one address may make a minute. 0: no limit.
    #[arg(long, env = "RATE_LIMIT_SIGN_IN", default_value_t = 20)]
    pub rate_limit_sign_in: u32,
    /// Allow plain http beyond this machine: passwords and sessions can then be read on the way.
    #[arg(long, env = "ALLOW_PLAIN_HTTP")]
    pub allow_plain_http: bool,
    /// PEM file with the certificate chain; with `TLS_KEY_FILE` the server speaks https itself.
    #[arg(long, env = "TLS_CERT_FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<std::path::PathBuf>,
    /// PEM file with the private key.
    #[arg(long, env = "TLS_KEY_FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<std::path::PathBuf>,
}

/// How addresses tell sessions apart.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppsRouting {
    /// `{id}.{APPS_DOMAIN}`: each session has an origin of its own.
    Subdomain,
    /// `{APPS_DOMAIN}/s/{id}/`: apps share an origin, and can do to each other what pages of one site can.
    Host,
}

impl Http {
    /// The names under which people reach the server and the apps.
    #[must_use]
    pub fn hosts(&self) -> Hosts {
        let routing = match self.apps_routing {
            AppsRouting::Subdomain => Routing::Subdomain,
            AppsRouting::Host => Routing::Host,
        };
        Hosts::new(&self.public_url(), &self.apps_authority(), routing)
    }

    /// The address that people type.
    #[must_use]
    pub fn public_url(&self) -> url::Url {
        self.public_url.clone().unwrap_or_else(|| {
            let scheme = if self.tls_cert_file.is_some() { "https" } else { "http" };
            let mut url = url::Url::parse("http://localhost/").unwrap_or_else(|_| unreachable!("a literal"));
            let _ = url.set_scheme(scheme);
            let _ = url.set_port(Some(self.api_port));
            url
        })
    }

    /// `APPS_DOMAIN` with the port of the public URL where it names none: what a browser shows behind the session's name.
    #[must_use]
    pub fn apps_authority(&self) -> String {
        match self.public_url().port() {
            Some(port) if !self.apps_domain.contains(':') => format!("{}:{port}", self.apps_domain),
            _ => self.apps_domain.clone(),
        }
    }
}
