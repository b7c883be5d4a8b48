use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

use super::{AuthMode, ConfigError, Http, People, check::is_this_machine};

/// Signing in through SAML 2.0 identity providers.
#[derive(clap::Args, Clone, Debug)]
pub struct Saml {
    /// Where a SAML identity provider publishes its metadata. It is read anew as the provider changes its keys.
    #[arg(long, env = "SAML_IDP_METADATA_URL")]
    pub saml_idp_metadata_url: Option<Url>,
    /// File with the metadata of a SAML identity provider that publishes none.
    #[arg(long, env = "SAML_IDP_METADATA_FILE", conflicts_with = "saml_idp_metadata_url")]
    pub saml_idp_metadata_file: Option<PathBuf>,
    /// What the button on the sign-in page says behind “Sign in with”.
    #[arg(long, env = "SAML_LABEL", default_value = "single sign-on")]
    pub saml_label: String,
    /// Whose names its attributes have.
    #[arg(long, env = "SAML_PRESET", value_enum, default_value_t = Preset::Generic)]
    pub saml_preset: Preset,
    /// Let people in whom the provider sends without having been asked: somebody else's sign-in can then be planted in
    /// a browser.
    #[arg(long, env = "SAML_IDP_INITIATED")]
    pub saml_idp_initiated: bool,
    /// Believe signatures made with SHA-1, which can be forged with effort.
    #[arg(long, env = "SAML_ALLOW_SHA1")]
    pub saml_allow_sha1: bool,
    /// YAML file with several SAML identity providers, in place of the settings for one.
    #[arg(long, env = "SAML_IDPS_FILE")]
    pub saml_idps_file: Option<PathBuf>,
    /// What this server is called at its providers. Absent: `{PUBLIC_URL}/api/v1/auth/saml/metadata`.
    #[arg(long, env = "SAML_ENTITY_ID")]
    pub saml_entity_id: Option<String>,
    /// Where providers send people back to. Absent: `{PUBLIC_URL}/api/v1/auth/saml/acs`.
    #[arg(long, env = "SAML_ACS_URL")]
    pub saml_acs_url: Option<Url>,
    /// Where providers say that somebody signed out. Absent: `{PUBLIC_URL}/api/v1/auth/saml/slo`.
    #[arg(long, env = "SAML_SLO_URL")]
    pub saml_slo_url: Option<Url>,
    /// PEM file with the certificate that providers know this server by. Absent: made at the first start.
    #[arg(long, env = "SAML_CERT_FILE", requires = "saml_key_file")]
    pub saml_cert_file: Option<PathBuf>,
    /// PEM file with its private key: RSA.
    #[arg(long, env = "SAML_KEY_FILE", requires = "saml_cert_file")]
    pub saml_key_file: Option<PathBuf>,
}

/// Whose names attributes have.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Preset {
    #[default]
    Generic,
    Okta,
    Azure,
    Google,
    Auth0,
    Keycloak,
    Authentik,
}

/// A SAML identity provider, as `SAML_IDPS_FILE` lists them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SamlProvider {
    /// What URLs call it: small letters, digits and hyphens.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Where it publishes its metadata.
    pub metadata_url: Option<Url>,
    /// File with its metadata, in place of that.
    pub metadata_file: Option<PathBuf>,
    /// Which of the metadata's entities it is, where there are several.
    pub entity_id: Option<String>,
    /// Whose names its attributes have.
    #[serde(default)]
    pub preset: Preset,
    /// Names of its attributes by what they say: `preferred_username`, `email`, `name`, `groups`. They come before the
    /// preset's.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whether it may send people who were not sent to it.
    #[serde(default)]
    pub idp_initiated: bool,
    /// Whether signatures with SHA-1 count.
    #[serde(default)]
    pub allow_sha1: bool,
}

/// What attributes can be told to say.
const MEANINGS: [&str; 4] = ["preferred_username", "email", "name", "groups"];

impl Saml {
    /// The providers.
    ///
    /// # Errors
    /// What is wrong with the file that lists them.
    pub fn providers(&self) -> Result<Vec<SamlProvider>, String> {
        if let Some(path) = &self.saml_idps_file {
            return read(path);
        }
        if self.saml_idp_metadata_url.is_none() && self.saml_idp_metadata_file.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![SamlProvider {
            id: "saml".to_owned(),
            label: self.saml_label.clone(),
            metadata_url: self.saml_idp_metadata_url.clone(),
            metadata_file: self.saml_idp_metadata_file.clone(),
            entity_id: None,
            preset: self.saml_preset,
            attributes: BTreeMap::new(),
            idp_initiated: self.saml_idp_initiated,
            allow_sha1: self.saml_allow_sha1,
        }])
    }

    /// Whether any provider is configured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.saml_idps_file.is_some() || self.saml_idp_metadata_url.is_some() || self.saml_idp_metadata_file.is_some()
    }

    /// What is wrong with it, beside what each setting must look like.
    pub(super) fn check(&self, people: &People, http: &Http, wrong: &mut Vec<ConfigError>) {
        self.check_addresses(http, wrong);
        if !self.is_on() {
            return;
        }
        if self.saml_idps_file.is_some() {
            for (name, set) in [
                ("SAML_IDP_METADATA_URL", self.saml_idp_metadata_url.is_some()),
                ("SAML_IDP_METADATA_FILE", self.saml_idp_metadata_file.is_some()),
            ] {
                if set {
                    wrong.push(ConfigError::new(name, "SAML_IDPS_FILE is set too: put this provider into it"));
                }
            }
        }
        match self.providers() {
            Ok(providers) => check_providers(&providers, http, wrong),
            Err(message) => wrong.push(ConfigError::new("SAML_IDPS_FILE", message)),
        }
        if matches!(people.auth_mode, AuthMode::Jwt | AuthMode::None) {
            let message = "a SAML provider is configured: set hybrid, or saml for single sign-on alone";
            wrong.push(ConfigError::new("AUTH_MODE", message));
        }
    }

    /// The browser that comes back has its cookie for `PUBLIC_URL` alone.
    fn check_addresses(&self, http: &Http, wrong: &mut Vec<ConfigError>) {
        let own = http.public_url().origin();
        for (name, url) in [("SAML_ACS_URL", &self.saml_acs_url), ("SAML_SLO_URL", &self.saml_slo_url)] {
            if url.as_ref().is_some_and(|url| url.origin() != own || url.fragment().is_some()) {
                wrong.push(ConfigError::new(name, "it lies below PUBLIC_URL: people come back to it with its cookie"));
            }
        }
        if self.saml_entity_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 1_024) {
            wrong.push(ConfigError::new("SAML_ENTITY_ID", "write a URI of at most 1,024 bytes"));
        }
    }
}

fn check_providers(providers: &[SamlProvider], http: &Http, wrong: &mut Vec<ConfigError>) {
    let mut seen = BTreeSet::new();
    for provider in providers {
        let id = &provider.id;
        let mut say = |setting: &str, message: String| wrong.push(ConfigError::new(setting, message));
        if !crate::domain::names::is_dns_label(id) || !seen.insert(id) {
            say("SAML_IDPS_FILE", format!("{id}: an id is used once, and has small letters, digits and hyphens"));
        }
        match (&provider.metadata_url, &provider.metadata_file) {
            (Some(url), None) => {
                if let Err(message) = usable(url, http.allow_plain_http) {
                    say("SAML_IDP_METADATA_URL", message.to_owned());
                }
            }
            (None, Some(_)) => {}
            _ => say("SAML_IDPS_FILE", format!("{id}: write either metadataUrl or metadataFile")),
        }
        if let Some(unknown) = provider.attributes.keys().find(|name| !MEANINGS.contains(&name.as_str())) {
            let known = MEANINGS.join(", ");
            say("SAML_IDPS_FILE", format!("{id}: attributes say {known}, and not {unknown}"));
        }
    }
}

/// Whether what stands there can be believed.
fn usable(url: &Url, plain_http: bool) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_this_machine(url) || plain_http => Ok(()),
        "http" => Err("whoever stands between could sign in as anybody: write https://, or set ALLOW_PLAIN_HTTP=true"),
        _ => Err("write such as https://id.example/metadata"),
    }
}

fn read(path: &Path) -> Result<Vec<SamlProvider>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let options = serde_saphyr::options! { strict_booleans: true };
    let providers: Vec<SamlProvider> =
        serde_saphyr::from_str_with_options(&text, options).map_err(|error| format!("{}: {error}", path.display()))?;
    if providers.is_empty() {
        return Err(format!("{}: it lists no provider", path.display()));
    }
    Ok(providers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test::config;

    fn wrong(arguments: &[&str]) -> Vec<String> {
        config(arguments).check(&|_| None).into_iter().map(|error| error.setting).collect()
    }

    fn listed(text: &str) -> (tempfile::NamedTempFile, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let argument = format!("--saml-idps-file={}", file.path().display());
        (file, argument)
    }

    #[test]
    fn a_provider_is_believed_over_https_or_on_this_machine() {
        let with = |url: &str| wrong(&[&format!("--saml-idp-metadata-url={url}")]);
        for good in ["https://id.example/metadata?x=1", "http://localhost:8080/m", "http://127.0.0.1/m"] {
            assert!(with(good).is_empty(), "{good}");
        }
        for bad in ["http://id.example/metadata", "ftp://id.example/metadata"] {
            assert_eq!(with(bad), ["SAML_IDP_METADATA_URL"], "{bad}");
        }
        assert!(wrong(&["--saml-idp-metadata-url=http://id.example/m", "--allow-plain-http"]).is_empty());
        assert_eq!(wrong(&["--saml-idp-metadata-url=https://id.example/m", "--auth-mode=jwt"]), ["AUTH_MODE"]);
        assert!(wrong(&["--saml-idp-metadata-url=https://id.example/m", "--auth-mode=saml"]).is_empty());
    }

    #[test]
    fn people_come_back_to_our_own_address() {
        let own = "--public-url=https://here.example";
        assert!(wrong(&[own, "--saml-acs-url=https://here.example/saml/acs"]).is_empty());
        for bad in ["https://here.example:8443/saml/acs", "http://here.example/saml/acs", "https://evil.example/"] {
            assert_eq!(wrong(&[own, &format!("--saml-acs-url={bad}")]), ["SAML_ACS_URL"], "{bad}");
        }
        assert_eq!(wrong(&[own, "--saml-slo-url=https://there.example/"]), ["SAML_SLO_URL"]);
    }

    #[test]
    fn several_providers_come_from_a_file() {
        let text = "- { id: staff, label: Staff, metadataUrl: 'https://a.example/m', preset: okta }\n\
                    - { id: guests, label: Guests, metadataFile: /etc/m.xml, idpInitiated: true, attributes: { groups: g } }\n";
        let (_file, argument) = listed(text);
        assert!(wrong(&[&argument]).is_empty());
        let providers = config(&[&argument]).saml.providers().unwrap();
        assert_eq!((providers[0].preset, providers[1].idp_initiated), (Preset::Okta, true));
        assert_eq!(wrong(&[&argument, "--saml-idp-metadata-url=https://c.example/m"]), ["SAML_IDP_METADATA_URL"]);
        for bad in [
            "[]",
            "- { id: a, label: A }",
            "- { id: A b, label: A, metadataFile: x }",
            "- { id: a, label: A, metadataFile: x, metadataUrl: 'https://a.example/' }",
            "- { id: a, label: A, metadataFile: x }\n- { id: a, label: B, metadataFile: y }",
            "- { id: a, label: A, metadataFile: x, attributes: { roles: r } }",
            "- { id: a, label: A, metadataFile: x, colour: red }",
        ] {
            let (_file, argument) = listed(bad);
            assert_eq!(wrong(&[&argument]), ["SAML_IDPS_FILE"], "{bad}");
        }
        assert_eq!(wrong(&["--saml-idps-file=/does/not/exist"]), ["SAML_IDPS_FILE"]);
    }
}
