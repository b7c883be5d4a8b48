//! What has to hold between settings, beyond what each of them must look like.

use url::{Host, Url};

use super::{AppsRouting, AuthMode, Config, ConfigError, Http, layers::Variables};
use crate::domain::{names, settings};

impl Config {
    /// Everything that is wrong, so that it can be mended at once. `variables` is the environment.
    #[must_use]
    pub fn check(&self, variables: Variables<'_>) -> Vec<ConfigError> {
        let mut wrong = Vec::new();
        wrong.extend(self.engine.check(&self.sessions, variables).err());
        self.check_roles(&mut wrong);
        self.check_database(&mut wrong);
        self.check_sessions(&mut wrong);
        self.check_people(&mut wrong);
        self.http.check(&mut wrong);
        self.sso.check(&self.people, &self.http, &mut wrong);
        self.saml.check(&self.people, &self.http, &mut wrong);
        let exceptions = self.catalog.exceptions();
        wrong.extend(exceptions.err().map(|message| ConfigError::new("CATALOG_ALLOW", message)));
        wrong
    }

    fn check_database(&self, wrong: &mut Vec<ConfigError>) {
        let parts = self.database.parts();
        if let (Some(_), Some((part, _))) = (&self.database.database_url, parts.iter().find(|(_, set)| *set)) {
            wrong.push(ConfigError::new(
                *part,
                "DATABASE_URL is set too: it says all of that itself, unset one of them",
            ));
        }
        if self.database.database_pool_size < 4 {
            wrong.push(ConfigError::new("DATABASE_POOL_SIZE", "the server needs at least 4 connections"));
        }
    }

    fn check_people(&self, wrong: &mut Vec<ConfigError>) {
        let people = &self.people;
        if people.registration && matches!(people.auth_mode, AuthMode::Saml | AuthMode::None) {
            let message = "there are no local accounts with this AUTH_MODE: leave it away, or set hybrid";
            wrong.push(ConfigError::new("REGISTRATION", message));
        }
    }

    fn check_sessions(&self, wrong: &mut Vec<ConfigError>) {
        let sessions = &self.sessions;
        if !names::is_dns_label(sessions.namespace()) {
            wrong.push(ConfigError::new("NAMESPACE", "write lower-case letters, digits and hyphens, 63 at most"));
        }
        if !settings::idle_fits(sessions.default_idle_timeout, sessions.max_idle_timeout) {
            wrong.push(ConfigError::new("DEFAULT_IDLE_TIMEOUT", "it is longer than MAX_IDLE_TIMEOUT allows"));
        }
    }
}

impl Http {
    fn check(&self, wrong: &mut Vec<ConfigError>) {
        let url = self.public_url();
        if let Err(message) = usable(&url) {
            wrong.push(ConfigError::new("PUBLIC_URL", message));
        }
        if url.scheme() == "http" && !is_this_machine(&url) && !self.allow_plain_http {
            let message =
                "passwords and sessions could be read on the way: write https://, or set ALLOW_PLAIN_HTTP=true";
            wrong.push(ConfigError::new("PUBLIC_URL", message));
        }
        match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(_), None) => wrong.push(ConfigError::new("TLS_KEY_FILE", "TLS_CERT_FILE is set, and needs its key")),
            (None, Some(_)) => {
                wrong.push(ConfigError::new("TLS_CERT_FILE", "TLS_KEY_FILE is set, and needs its certificate"));
            }
            (Some(_), Some(_)) if url.scheme() == "http" => {
                wrong
                    .push(ConfigError::new("PUBLIC_URL", "with TLS_CERT_FILE the server speaks https: write https://"));
            }
            _ => {}
        }
        if let Err(message) = apps_domain(&self.apps_domain) {
            wrong.push(ConfigError::new("APPS_DOMAIN", message));
        } else if self.apps_routing == AppsRouting::Host && self.apps_domain.split(':').next() == url.host_str() {
            // Cookies know no ports: what runs in a session would be a page of the dashboard's.
            let message = "with APPS_ROUTING=host it has to be another name than the dashboard's, such as apps.example";
            wrong.push(ConfigError::new("APPS_DOMAIN", message));
        }
        if self.api_port != 0 && self.api_port == self.management_port {
            wrong.push(ConfigError::new("MANAGEMENT_PORT", "it is API_PORT too: take another"));
        }
    }
}

/// An address that people type: scheme, host, perhaps a port, and nothing else.
fn usable(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("write such as https://streamspace.example");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or a password has no place in it");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it ends with the host or the port: the server has all paths of its name");
    }
    Ok(())
}

pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A domain, perhaps with a port.
fn apps_domain(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(&format!("http://{text}/")).map_err(|_| "write a domain such as apps.example")?;
    match url.host() {
        Some(Host::Domain(name)) if text.split(':').next() == Some(name) && usable(&url).is_ok() => Ok(()),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Err("an address has no names below it: write a domain"),
        _ => Err("write a domain in lower case, without scheme and path, such as apps.example"),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::test::config;

    fn wrong(arguments: &[&str]) -> Vec<String> {
        config(arguments).check(&|_| None).into_iter().map(|error| error.setting).collect()
    }

    #[test]
    fn the_defaults_are_in_order() {
        assert_eq!(wrong(&[]), Vec::<String>::new());
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_somebody_insists() {
        for near in [
            "http://localhost:8000",
            "http://127.0.0.1:9",
            "http://[::1]:9",
            "http://a.localhost",
            "https://far.example",
        ] {
            assert!(wrong(&["--public-url", near]).is_empty(), "{near}");
        }
        for far in ["http://far.example", "http://10.0.0.1:8000", "http://localhost.example"] {
            assert_eq!(wrong(&["--public-url", far]), ["PUBLIC_URL"], "{far}");
            assert!(wrong(&["--public-url", far, "--allow-plain-http"]).is_empty(), "{far}");
        }
    }

    #[test]
    fn the_public_url_is_a_name_and_no_more() {
        for bad in ["https://a.example/path", "https://me:pw@a.example", "https://a.example/?q", "ftp://a.example"] {
            assert_eq!(wrong(&["--public-url", bad]), ["PUBLIC_URL"], "{bad}");
        }
    }

    #[test]
    fn apps_have_a_domain() {
        for good in ["localhost", "apps.example", "apps.example:8443"] {
            assert!(wrong(&["--apps-domain", good]).is_empty(), "{good}");
        }
        for bad in ["10.0.0.1", "https://apps.example", "apps.example/x", "a b", "", "Apps.example"] {
            assert_eq!(wrong(&["--apps-domain", bad]), ["APPS_DOMAIN"], "{bad}");
        }
    }

    #[test]
    fn a_provider_is_whole_and_nobody_can_speak_in_its_place() {
        let with = |issuer: &'static str, more: &[&'static str]| {
            wrong(&[&["--oidc-issuer-url", issuer, "--oidc-client-id=us"], more].concat())
        };
        for good in ["https://id.example/realms/main", "http://localhost:8080", "http://127.0.0.1:1/x"] {
            assert!(with(good, &[]).is_empty(), "{good}");
        }
        for bad in ["id.example", "http://id.example", "https://id.example/?x", "https://me@id.example", "ftp://x"] {
            assert_eq!(with(bad, &[]), ["OIDC_ISSUER_URL"], "{bad}");
        }
        assert!(with("http://id.example", &["--allow-plain-http"]).is_empty());
        assert_eq!(with("https://id.example", &["--auth-mode=jwt"]), ["AUTH_MODE"]);
        assert!(with("https://id.example", &["--auth-mode=saml"]).is_empty());
        assert_eq!(wrong(&["--oidc-issuer-url=https://id.example"]), ["OIDC_CLIENT_ID"]);
        assert_eq!(wrong(&["--oidc-client-secret=x"]), ["OIDC_CLIENT_SECRET"]);
        let tokens = ["--jwt-issuer=x", "--jwt-audience=us", "--jwt-jwks-url=https://id.example/keys"];
        assert!(wrong(&tokens).is_empty());
        assert_eq!(wrong(&tokens[..2]), ["JWT_JWKS_URL"]);
        assert_eq!(
            wrong(&["--jwt-issuer=x", "--jwt-audience=us", "--jwt-jwks-url=http://id.example/k"]),
            ["JWT_JWKS_URL"]
        );
    }

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        assert_eq!(wrong(&["--database-url=postgres://a@b/c", "--db-host=d"]), ["DB_HOST"]);
        assert_eq!(wrong(&["--api-port=8080"]), ["MANAGEMENT_PORT"]);
        assert_eq!(wrong(&["--default-idle-timeout=200h"]), ["DEFAULT_IDLE_TIMEOUT"]);
        assert_eq!(wrong(&["--engine=local", "--namespace=No"]), ["NAMESPACE"]);
    }
}
