//! Who is calling, and what they may do.

mod external;
pub mod jwt;
pub mod known;
mod listen;
pub mod oidc;
mod opener;
mod outside;
pub mod password;
pub mod permission;
pub mod saml;
pub mod secret;
mod signed;
mod standing;
mod upkeep;

use std::{path::Path, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast;

pub use known::Identity;
pub use outside::{Proven, ProviderError};
pub use permission::{Caller, Credential, Permission, Role};
pub use standing::{FIRST_ADMINISTRATOR, Standing};

use self::{
    external::External,
    jwt::{Keys, Kind},
    known::{Fingerprint, Known},
    oidc::Oidc,
    password::Passwords,
    saml::Saml,
    secret::{SecretError, Secrets, sha256},
};
use crate::{
    Error,
    clock::Clock,
    config::{AuthMode, Config},
    store::{
        Connector, Pool,
        identities::{self, Who},
        shares, sign_ins, tokens, users,
    },
    telemetry::task::Tasks,
};

/// How many changes wait for a slow receiver.
const CHANGES_KEPT: usize = 1_024;
/// Longest time for looking up who is calling.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// Everything that tells who is calling; a cheap handle.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Seals what the database holds.
    pub secrets: Secrets,
    /// Signs and verifies tokens.
    pub keys: Keys,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Which ways to sign in are on.
    pub mode: AuthMode,
    /// The OpenID Connect provider, where one is configured.
    pub oidc: Option<Oidc>,
    /// The SAML providers, where there are any.
    pub saml: Option<Saml>,
    /// Whether strangers may make themselves an account.
    pub registration: bool,
    /// What everybody may do who signs in through a provider.
    pub default_role: Option<Role>,
    /// Longest time between two requests of a browser that signed in.
    pub idle_limit: SignedDuration,
    /// Longest time that a browser stays signed in.
    pub sign_in_limit: SignedDuration,
    public_url: url::Url,
    external: Option<External>,
    known: Known,
    changes: broadcast::Sender<String>,
    pool: Pool,
    clock: Arc<dyn Clock>,
}

/// Why sign-in cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `SECRET_KEY` or its file.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// `AUTH_MODE=none` would let strangers in.
    #[error("AUTH_MODE=none makes everybody who reaches this server its administrator: set {0}, or switch sign-in on")]
    OpenToStrangers(&'static str),
    /// The signing keys.
    #[error(transparent)]
    Keys(#[from] jwt::KeyError),
    /// The identity provider.
    #[error("the identity provider's settings cannot be used: {0}")]
    Provider(String),
    /// SAML providers, or our key for them.
    #[error(transparent)]
    Saml(#[from] saml::StartError),
    /// Passwords cannot be hashed.
    #[error("passwords cannot be hashed")]
    Passwords(#[source] Error),
}

/// What a caller shows.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// The cookie's value.
    Cookie(&'a str),
    /// What stands behind `Authorization: Bearer`.
    Bearer(&'a str),
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cookie(_) => "Cookie",
            Self::Bearer(_) => "Bearer",
        })
    }
}

impl Auth {
    /// Reads or makes the keys. `data_dir`: where the key file lies if `SECRET_KEY` is not set.
    pub async fn start(
        config: &Config,
        data_dir: &Path,
        pool: Pool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let people = &config.people;
        refuse_strangers(config)?;
        if people.auth_mode == AuthMode::None {
            tracing::warn!(
                "AUTH_MODE=none: everybody on this machine is the administrator `admin`; for development only"
            );
        }
        let secrets = Secrets::load(people.secret_key.as_ref(), data_dir)?;
        let saml = Saml::start(config, &pool, &secrets, clock.now()).await?;
        Ok(Self {
            saml,
            keys: Keys::load(pool.clone(), secrets.clone(), Arc::clone(&clock)).await?,
            passwords: Passwords::new().map_err(StartError::Passwords)?,
            mode: people.auth_mode,
            oidc: Oidc::new(&config.sso, &config.http.public_url()).map_err(StartError::Provider)?,
            registration: people.registration,
            default_role: config.sso.sso_default_role.role(),
            idle_limit: SignedDuration::from_hours(people.sign_in_idle_hours.into()),
            sign_in_limit: SignedDuration::from_hours(people.sign_in_max_hours.into()),
            public_url: config.http.public_url(),
            external: External::new(&config.sso).map_err(StartError::Provider)?,
            known: Known::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            secrets,
            pool,
            clock,
        })
    }

    /// Starts what keeps the memory of credentials true: without it every request asks the database.
    pub fn keep(&self, connector: Connector, tasks: &mut Tasks) {
        let (pool, known, changes) = (self.pool.clone(), self.known.clone(), self.changes.clone());
        let listener = listen::Listener { connector, pool, known, changes, clock: Arc::clone(&self.clock) };
        tasks.start("people-listener", listener.run(tasks.stopping()));
        tasks.start("people-upkeep", upkeep::run(self.clone(), tasks.stopping()));
    }

    /// Asks the database anew about everything that the person `user` presents. Called where something of theirs was
    /// just ended, so that it has ended before that is answered; other replicas hear of it.
    pub fn forget(&self, user: &str) {
        self.known.forget_user(user);
    }

    /// Whether word of changes arrives at the moment, so that what is remembered is believed.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.known.is_believed()
    }

    /// Names of people whose credentials or roles changed, or ended: whatever was opened with them, such as a socket,
    /// has to ask again. A receiver that lags behind has to take it that everybody changed.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.changes.subscribe()
    }

    /// The page address of a one-time sign-in link. The secret stands in the fragment, which browsers do not send.
    #[must_use]
    pub fn link_url(&self, secret: &SecretString) -> SecretString {
        let mut url = self.public_url.clone();
        url.set_path("/sign-in");
        url.set_fragment(Some(&format!("link={}", secret.expose_secret())));
        String::from(url).into()
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection to the database.
    pub async fn client(&self) -> Result<deadpool_postgres::Client, Error> {
        Ok(self.pool.get().await?)
    }

    /// The present moment, to the microsecond as the database keeps it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.clock.now().as_microsecond()).unwrap_or(Timestamp::MAX)
    }

    /// When something that begins now and lasts for `lifetime` ends, to the second as tokens have it.
    #[must_use]
    pub fn end_of(&self, lifetime: SignedDuration) -> Timestamp {
        let end = self.now().saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        Timestamp::from_second(end.as_second()).unwrap_or(end)
    }

    /// Who that is.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for what is nobody's, has ended or belongs to an account that is disabled.
    pub async fn identify(&self, presented: Presented<'_>) -> Result<Arc<Identity>, Error> {
        let now = self.clock.now();
        let fingerprint = match presented {
            Presented::Cookie(text) => Fingerprint::Cookie(sha256(text.as_bytes())),
            Presented::Bearer(text) => Fingerprint::Bearer(sha256(text.as_bytes())),
        };
        let known = self.remembered(&fingerprint).filter(|identity| self.in_time(identity));
        let identity = match known {
            Some(identity) => identity,
            None => tokio::time::timeout(LOOK_UP_WITHIN, self.look_up(presented, fingerprint))
                .await
                .map_err(|elapsed| Error::Database(elapsed.into()))??,
        };
        identity.touch(now);
        Ok(identity)
    }

    async fn look_up(&self, presented: Presented<'_>, fingerprint: Fingerprint) -> Result<Arc<Identity>, Error> {
        let generation = self.known.generation();
        let identity = match presented {
            Presented::Cookie(cookie) => self.browser(cookie).await?,
            Presented::Bearer(token) => self.program(token).await?,
        };
        self.known.recall_use(&fingerprint, &identity);
        if !self.in_time(&identity) {
            return Err(Error::Unauthenticated);
        }
        let identity = Arc::new(self.with_belonging(identity).await?.shown(fingerprint));
        self.known.remember(fingerprint, Arc::clone(&identity), generation);
        Ok(identity)
    }

    /// What is remembered of that credential, while nothing of what its owner belongs to has run out.
    fn remembered(&self, fingerprint: &Fingerprint) -> Option<Arc<Identity>> {
        self.known.get(fingerprint).filter(|identity| identity.belonging.holds(self.clock.now()))
    }

    /// The same with what the account belongs to by now.
    async fn with_belonging(&self, identity: Identity) -> Result<Identity, Error> {
        let (client, id) = (self.pool.get().await?, identity.user_id);
        let mut found = shares::belongings(&client, &[id], self.now()).await?;
        Ok(identity.belonging_to(found.remove(&id).unwrap_or_default()))
    }

    /// Whether the credential has not ended by itself.
    fn in_time(&self, identity: &Identity) -> bool {
        let now = self.clock.now();
        let idle = matches!(identity.credential, Credential::SignIn(_)) && !identity.active(now, self.idle_limit);
        identity.expires_at > now && !idle
    }

    async fn browser(&self, cookie: &str) -> Result<Identity, Error> {
        let secret = decode_secret(cookie).ok_or(Error::Unauthenticated)?;
        let found = sign_ins::by_secret(&self.pool.get().await?, &sha256(&secret)).await?;
        let (sign_in, user) = found.filter(|(_, user)| !user.disabled).ok_or(Error::Unauthenticated)?;
        let credential = Credential::SignIn(sign_in.id);
        Ok(Identity::new(&user, credential, sign_in.expires_at, Some(sign_in.last_seen_at)))
    }

    async fn program(&self, token: &str) -> Result<Identity, Error> {
        if let Some(external) = self.external.as_ref().filter(|external| external.is_named_by(token)) {
            return self.vouched(external, token).await;
        }
        let (kind, claims) = self.keys.verify(token).await?;
        let client = self.pool.get().await?;
        let identity = match kind {
            Kind::Access => {
                let user = users::by_id(&client, claims.sub).await?;
                let user = user.filter(|user| !user.disabled && Some(user.epoch) == claims.epoch);
                let until = Timestamp::from_second(claims.exp).map_err(|_| Error::Unauthenticated)?;
                user.map(|user| Identity::new(&user, Credential::Access(claims.jti), until, None))
            }
            Kind::Personal => {
                let found = tokens::by_hash(&client, claims.jti, &sha256(token.as_bytes())).await?;
                found.filter(|(_, user)| !user.disabled && user.id == claims.sub).map(|(token, user)| {
                    let known =
                        |words: Vec<String>| words.iter().filter_map(|word| Permission::from_word(word)).collect();
                    Identity::new(&user, Credential::Token(token.id), token.expires_at, token.last_used_at)
                        .narrowed(token.scopes.map(known))
                })
            }
        };
        identity.ok_or(Error::Unauthenticated)
    }

    /// The account that has the identity for which another issuer's token stands.
    async fn vouched(&self, external: &External, token: &str) -> Result<Identity, Error> {
        let vouched = external.verify(token, self.clock.now()).await?;
        let client = self.pool.get().await?;
        let who = Who { issuer: &vouched.issuer, subject: &vouched.subject };
        let user = match identities::find(&client, who).await? {
            Some((id, _)) => users::by_id(&client, id).await?,
            None => None,
        };
        let user = user.filter(|user| !user.disabled).ok_or(Error::Unauthenticated)?;
        Ok(Identity::new(&user, Credential::Access(vouched.id), vouched.expires_at, None))
    }
}

/// Without sign-in nobody but this machine itself may reach the server.
///
/// # Errors
/// [`StartError::OpenToStrangers`] with the setting that would let others in.
pub fn refuse_strangers(config: &Config) -> Result<(), StartError> {
    if config.people.auth_mode != AuthMode::None {
        return Ok(());
    }
    if !config.http.api_host.is_loopback() {
        return Err(StartError::OpenToStrangers("API_HOST to a loopback address such as 127.0.0.1"));
    }
    let loopback = match config.http.public_url().host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !loopback {
        return Err(StartError::OpenToStrangers(
            "PUBLIC_URL to an address of this machine such as http://localhost:8000",
        ));
    }
    Ok(())
}

/// A secret as people and browsers carry it: 43 characters of base64url.
#[must_use]
pub fn encode_secret(secret: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(secret)
}

/// The secret in `text`; `None` if there cannot be one in it.
#[must_use]
pub fn decode_secret(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
