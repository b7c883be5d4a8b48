//! Tokens: JWTs that this installation signs for itself.
//!
//! One algorithm (EdDSA with Ed25519), one shape of header, one issuer and one audience: whatever differs is refused
//! before its content is looked at. Keys are rows, so that replicas share them: the newest signs, all verify, and a
//! retired one stays until nothing that it signed can be in time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use ed25519_dalek::pkcs8::EncodePrivateKey;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::secret::{Place, SecretError, Secrets};
use crate::{
    Error,
    clock::Clock,
    store::{Pool, signing_keys},
};

/// Who the tokens are for.
pub const AUDIENCE: &str = "streamspace-api";
/// How long an access token is good.
pub const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// How long a personal token is good at most.
pub const PERSONAL_LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// After this time a new key signs.
const KEY_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a retired key verifies: longer than anything that it signed is good.
const RETIRED_KEY_AGE: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Most bytes of a token that is looked at: ours have about 500.
const TOKEN_MAX_BYTES: usize = 4_096;
/// How far the clocks of two replicas may be apart.
const SKEW_S: i64 = 60;
/// A foreign `kid` makes the server read the keys again at most this often.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// What a token is for; in its header as `typ`, so that one is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Short-lived, for a program whose person just signed in (RFC 9068).
    Access,
    /// A personal API token, which has a row.
    Personal,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Access, Self::Personal];

    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Personal => "streamspace-token+jwt",
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// This installation.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The account's id.
    pub sub: Uuid,
    /// The token's id.
    pub jti: Uuid,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// Of access tokens: the account's epoch at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i32>,
}

/// Why the keys cannot be used at the start.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `SECRET_KEY` does not open them.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database.
    #[error("the signing keys cannot be read or made")]
    Other(#[source] Error),
}

impl<E: Into<Error>> From<E> for KeyError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Signs and verifies tokens; a cheap handle.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    pool: Pool,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    issuer: String,
    set: RwLock<KeySet>,
    /// When a foreign `kid` last made us read the keys again.
    reloaded: Mutex<Option<Instant>>,
}

/// The keys in memory.
#[derive(Default)]
struct KeySet {
    signing: Option<(String, EncodingKey)>,
    verifying: HashMap<String, DecodingKey>,
    published: Vec<Jwk>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the keys; makes the first where there is none.
    pub async fn load(pool: Pool, secrets: Secrets, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let issuer = format!("urn:streamspace:{}", signing_keys::installation(&pool.get().await?).await?);
        let inner = Inner { pool, secrets, clock, issuer, set: RwLock::default(), reloaded: Mutex::default() };
        let keys = Self(Arc::new(inner));
        keys.rotate_if(|newest| newest.is_none()).await?;
        keys.reload().await?;
        Ok(keys)
    }

    /// Who signs: `urn:streamspace:{installation}`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// A token for the account `user`. `epoch`: of access tokens, the account's.
    pub fn sign(
        &self,
        kind: Kind,
        id: Uuid,
        user: Uuid,
        epoch: Option<i32>,
        until: Timestamp,
    ) -> Result<String, Error> {
        let claims = Claims {
            iss: self.0.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            jti: id,
            iat: self.0.clock.now().as_second(),
            exp: until.as_second(),
            epoch,
        };
        let set = self.0.set.read().unwrap_or_else(PoisonError::into_inner);
        let (kid, key) = set.signing.as_ref().ok_or_else(|| Error::internal("there is no key to sign with"))?;
        encode(&header(kind, kid), &claims, key).map_err(Error::internal)
    }

    /// What `token` says, if this installation signed it and it is in time.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], whatever is wrong with it; the log has the reason at the level `debug`.
    pub async fn verify(&self, token: &str) -> Result<(Kind, Claims), Error> {
        let refuse = |reason: &dyn fmt::Display| {
            tracing::debug!(%reason, "a token was refused");
            Error::Unauthenticated
        };
        if token.len() > TOKEN_MAX_BYTES {
            return Err(refuse(&"too long"));
        }
        let found = decode_header(token).map_err(|error| refuse(&error))?;
        let kid = found.kid.clone().ok_or_else(|| refuse(&"no kid"))?;
        // The whole header is compared: no `jku`, `jwk`, `x5u`, `crit`, nor anything that is invented later.
        let kind = Kind::ALL.into_iter().find(|kind| header(*kind, &kid) == found);
        let kind = kind.ok_or_else(|| refuse(&"a header that we do not write"))?;
        let key = self.verifying(&kid).await.ok_or_else(|| refuse(&"a kid of somebody else"))?;
        let claims = decode::<Claims>(token, &key, &self.validation()).map_err(|error| refuse(&error))?.claims;
        let now = self.0.clock.now().as_second();
        if claims.exp <= now {
            return Err(refuse(&"expired"));
        }
        // After the clock was put back an ended token would be good again: it was not issued yet, either.
        if claims.iat > now.saturating_add(SKEW_S) {
            return Err(refuse(&"issued in the future"));
        }
        Ok((kind, claims))
    }

    /// The public keys, for `/.well-known/jwks.json`.
    #[must_use]
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.0.set.read().unwrap_or_else(PoisonError::into_inner).published.clone() }
    }

    /// Makes a new key that signs from now on; what the old ones signed stays good.
    pub async fn rotate(&self) -> Result<(), Error> {
        self.rotate_if(|_| true).await?;
        self.reload().await.map_err(Error::internal)
    }

    /// Makes a new key when the newest has become old, and learns what other replicas made.
    pub async fn maintain(&self) -> Result<(), Error> {
        let old = self.0.clock.now() - KEY_AGE;
        self.rotate_if(|newest| newest.is_none_or(|key| key.created_at < old)).await?;
        self.reload().await.map_err(Error::internal)
    }

    async fn rotate_if(&self, wanted: impl Fn(Option<&signing_keys::SigningKey>) -> bool) -> Result<(), Error> {
        let mut client = self.0.pool.get().await?;
        let transaction = client.transaction().await?;
        signing_keys::lock(&transaction).await?;
        let kept = signing_keys::all(&transaction).await?;
        if !wanted(kept.iter().find(|key| key.retired_at.is_none())) {
            return Ok(());
        }
        let now = self.0.clock.now();
        signing_keys::retire_all(&transaction, now).await?;
        signing_keys::insert(&transaction, &self.make(now)?).await?;
        signing_keys::sweep(&transaction, now - RETIRED_KEY_AGE).await?;
        transaction.commit().await?;
        tracing::info!("a new key signs tokens");
        Ok(())
    }

    fn make(&self, now: Timestamp) -> Result<signing_keys::SigningKey, Error> {
        let key = ed25519_dalek::SigningKey::from_bytes(&super::secret::random());
        let public_key = key.verifying_key().to_bytes().to_vec();
        let kid = public(&public_key)?.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?;
        let private = key.to_pkcs8_der().map_err(Error::internal)?;
        let sealed = self.0.secrets.seal(place(&kid), private.as_bytes()).map_err(Error::internal)?;
        Ok(signing_keys::SigningKey {
            kid,
            algorithm: "EdDSA".to_owned(),
            public_key,
            private_key: Some(sealed),
            created_at: now,
            retired_at: None,
        })
    }

    async fn reload(&self) -> Result<(), KeyError> {
        let mut set = KeySet::default();
        for kept in signing_keys::all(&self.0.pool.get().await?).await? {
            if set.signing.is_none()
                && let Some(sealed) = &kept.private_key
            {
                let private = self.0.secrets.open(place(&kept.kid), sealed)?;
                set.signing = Some((kept.kid.clone(), EncodingKey::from_ed_der(private.expose_secret())));
            }
            let mut published = public(&kept.public_key)?;
            published.common.public_key_use = Some(PublicKeyUse::Signature);
            published.common.key_id = Some(kept.kid.clone());
            set.published.push(published);
            set.verifying.insert(kept.kid, DecodingKey::from_ed_der(&kept.public_key));
        }
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    /// The key of that name; one that is not known may be another replica's newest.
    async fn verifying(&self, kid: &str) -> Option<DecodingKey> {
        if let Some(key) = self.known(kid) {
            return Some(key);
        }
        let mut reloaded = self.0.reloaded.lock().await;
        if reloaded.is_none_or(|before| before.elapsed() >= RELOAD_PAUSE) {
            *reloaded = Some(Instant::now());
            if let Err(error) = self.reload().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the signing keys cannot be read again");
            }
        }
        self.known(kid)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.0.set.read().unwrap_or_else(PoisonError::into_inner).verifying.get(kid).cloned()
    }

    /// Times are checked by the server's own clock, not by the crate's.
    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        validation
    }
}

/// The one header that a token of that kind has.
fn header(kind: Kind, kid: &str) -> Header {
    Header { typ: Some(kind.typ().to_owned()), kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

fn place(kid: &str) -> Place<'_> {
    Place { table: "signing_keys", column: "private_key", row: kid }
}

fn public(key: &[u8]) -> Result<Jwk, Error> {
    Jwk::from_decoding_key(&DecodingKey::from_ed_der(key), Some(Algorithm::EdDSA)).map_err(Error::internal)
}
