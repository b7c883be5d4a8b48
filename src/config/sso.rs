use secrecy::SecretString;
use url::Url;

use super::{AuthMode, ConfigError, Http, People, check::is_this_machine};
use crate::domain::people::Role;

/// Signing in through an identity provider.
#[derive(clap::Args, Clone, Debug)]
pub struct SingleSignOn {
    /// Issuer of an OpenID Connect provider, exactly as it writes itself, such as `https://id.example/realms/main`.
    /// Its redirect URL for us is `{PUBLIC_URL}/api/v1/auth/oidc/callback`.
    #[arg(long, env = "OIDC_ISSUER_URL")]
    pub oidc_issuer_url: Option<String>,
    /// What the provider calls this server.
    #[arg(long, env = "OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,
    /// The secret that goes with it; absent for a public client.
    #[arg(long, env = "OIDC_CLIENT_SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<SecretString>,
    /// Scopes that are asked for beside `openid`, separated by commas.
    #[arg(long, env = "OIDC_SCOPES", value_delimiter = ',', default_value = "profile,email")]
    pub oidc_scopes: Vec<String>,
    /// What the button on the sign-in page says behind “Sign in with”.
    #[arg(long, env = "OIDC_LABEL", default_value = "single sign-on")]
    pub oidc_label: String,
    /// Issuer of tokens (JWT) that programs may show in place of ours: the `iss` in them. A token stands for the account
    /// that has the identity of its issuer and subject.
    #[arg(long, env = "JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// Where that issuer publishes its keys, as a JWK set.
    #[arg(long, env = "JWT_JWKS_URL")]
    pub jwt_jwks_url: Option<String>,
    /// What its tokens for us name as their audience.
    #[arg(long, env = "JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
    /// The claim of its tokens that says who it is.
    #[arg(long, env = "JWT_SUBJECT_CLAIM", default_value = "sub")]
    pub jwt_subject_claim: String,
    /// What everybody may do who signs in through a provider; `none`: only those come in whom a rule gives a role.
    #[arg(long, env = "SSO_DEFAULT_ROLE", value_enum, default_value_t = DefaultRole::User)]
    pub sso_default_role: DefaultRole,
}

/// A role for everybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DefaultRole {
    User,
    None,
}

impl DefaultRole {
    /// The role, where there is one.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::User => Some(Role::User),
            Self::None => None,
        }
    }
}

impl SingleSignOn {
    /// What is wrong with it, beside what each setting must look like.
    pub(super) fn check(&self, people: &People, http: &Http, wrong: &mut Vec<ConfigError>) {
        self.check_tokens(http, wrong);
        self.check_provider(people, http, wrong);
    }

    fn check_tokens(&self, http: &Http, wrong: &mut Vec<ConfigError>) {
        let parts = [
            ("JWT_ISSUER", &self.jwt_issuer),
            ("JWT_JWKS_URL", &self.jwt_jwks_url),
            ("JWT_AUDIENCE", &self.jwt_audience),
        ];
        if parts.iter().any(|(_, part)| part.is_some()) {
            let missing = parts.iter().filter(|(_, part)| part.as_ref().is_none_or(|text| text.trim().is_empty()));
            let rule = "tokens of another issuer need JWT_ISSUER, JWT_JWKS_URL and JWT_AUDIENCE";
            wrong.extend(missing.map(|(name, _)| ConfigError::new(*name, rule)));
        }
        if let Some(Err(message)) = self.jwt_jwks_url.as_ref().map(|url| usable(url, http.allow_plain_http)) {
            wrong.push(ConfigError::new("JWT_JWKS_URL", message));
        }
    }

    fn check_provider(&self, people: &People, http: &Http, wrong: &mut Vec<ConfigError>) {
        let Some(issuer) = &self.oidc_issuer_url else {
            for (name, set) in [
                ("OIDC_CLIENT_ID", self.oidc_client_id.is_some()),
                ("OIDC_CLIENT_SECRET", self.oidc_client_secret.is_some()),
            ] {
                if set {
                    wrong.push(ConfigError::new(name, "it belongs to a provider: set OIDC_ISSUER_URL too"));
                }
            }
            return;
        };
        if let Err(message) = usable(issuer, http.allow_plain_http) {
            wrong.push(ConfigError::new("OIDC_ISSUER_URL", message));
        }
        if self.oidc_client_id.is_none() {
            wrong.push(ConfigError::new("OIDC_CLIENT_ID", "OIDC_ISSUER_URL is set, and needs it"));
        }
        if matches!(people.auth_mode, AuthMode::Jwt | AuthMode::None) {
            let message = "a provider is configured (OIDC_ISSUER_URL): set hybrid, or saml for single sign-on alone";
            wrong.push(ConfigError::new("AUTH_MODE", message));
        }
    }
}

/// Whether a provider can be believed by that name.
fn usable(issuer: &str, plain_http: bool) -> Result<(), &'static str> {
    let url = Url::parse(issuer).map_err(|_| "write such as https://id.example/realms/main")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("an issuer has neither a query, a fragment nor a name or password in it");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_this_machine(&url) || plain_http => Ok(()),
        "http" => Err("whoever stands between could sign in as anybody: write https://, or set ALLOW_PLAIN_HTTP=true"),
        _ => Err("write such as https://id.example/realms/main"),
    }
}
