//! Tokens of another issuer, which an administrator named: JWTs signed by a key of its published set.
//!
//! Such a token stands for the account that has the identity of its issuer and subject, and for nobody where none has.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde_json::Value;
use uuid::Uuid;

use super::{
    outside::{Kept, Outside, Question},
    secret::sha256,
    signed::{Expected, TOKEN_MAX_BYTES, is_in_time, moment},
};
use crate::{
    Error,
    config::SingleSignOn,
    domain::sso::{find, is_text},
};

/// Keys are read again after this time.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A key that is not known makes the server read them again at most this often: anybody can name one.
const KEYS_PAUSE: Duration = Duration::from_secs(5);
/// Longest wait for keys, within that for looking up who calls.
const KEYS_WITHIN: Duration = Duration::from_millis(1_500);
/// What tokens that stand for a caller say of their type (RFC 9068); others are for something else.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// The issuer; a cheap handle.
#[derive(Clone, Debug)]
pub(super) struct External(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    jwks_url: String,
    audience: String,
    subject_claim: String,
    outside: Outside,
    keys: Kept<JwkSet>,
}

/// Whom a token stands for.
#[derive(Clone, Debug)]
pub(super) struct Vouched {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// Made of the token itself: the same each time it is shown.
    pub(super) id: Uuid,
    pub(super) expires_at: Timestamp,
}

impl External {
    /// The configured issuer; `None` where none is.
    pub(super) fn new(config: &SingleSignOn) -> Result<Option<Self>, String> {
        let (Some(issuer), Some(jwks_url), Some(audience)) =
            (&config.jwt_issuer, &config.jwt_jwks_url, &config.jwt_audience)
        else {
            return Ok(None);
        };
        Ok(Some(Self(Arc::new(Inner {
            issuer: issuer.clone(),
            jwks_url: jwks_url.clone(),
            audience: audience.clone(),
            subject_claim: config.jwt_subject_claim.clone(),
            outside: Outside::at(jwks_url)?,
            keys: Kept::default(),
        }))))
    }

    /// Whether `token` says that it is this issuer's; nothing of it is proven.
    pub(super) fn is_named_by(&self, token: &str) -> bool {
        let claims = token.split('.').nth(1).filter(|part| part.len() <= TOKEN_MAX_BYTES);
        let claims = claims.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        claims.is_some_and(|claims| claims["iss"] == *self.0.issuer)
    }

    /// Whom `token` stands for.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for one that is not good now, [`Error::Unavailable`] while the keys cannot be read.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Vouched, Error> {
        let refuse = |reason: &str| {
            tracing::debug!(reason, "a token of another issuer was refused");
            Error::Unauthenticated
        };
        let Inner { issuer, audience, .. } = &*self.0;
        let required = &["exp", "iss", "aud", "sub"];
        let expected = Expected { issuer, audience, types: &TYPES, required };
        let kid = expected.key_id(token).map_err(|reason| refuse(&reason))?.ok_or_else(|| refuse("no kid"))?;
        let key = self.key(&kid).await?.ok_or_else(|| refuse("a kid of somebody else"))?;
        let claims = expected.claims(token, &key).map_err(|reason| refuse(&reason))?;
        let expires_at = moment(&claims, "exp").filter(|_| is_in_time(&claims, now));
        let expires_at = expires_at.ok_or_else(|| refuse("out of time"))?;
        let subject = find(&claims, &self.0.subject_claim).and_then(Value::as_str).filter(|text| is_text(text));
        let subject = subject.ok_or_else(|| refuse("it names nobody"))?.to_owned();
        let id = sha256(token.as_bytes()).first_chunk().copied().unwrap_or_default();
        Ok(Vouched { issuer: self.0.issuer.clone(), subject, id: Uuid::from_bytes(id), expires_at })
    }

    async fn key(&self, kid: &str) -> Result<Option<Jwk>, Error> {
        for age in [KNOWN_FOR, KEYS_PAUSE] {
            let known = tokio::time::timeout(KEYS_WITHIN, self.0.keys.get(age, async || self.read().await)).await;
            let known = known.ok().flatten();
            let known =
                known.ok_or_else(|| Error::Unavailable("the token's issuer does not publish its keys".into()))?;
            if let Some(key) = known.find(kid) {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    async fn read(&self) -> Option<JwkSet> {
        let question = Question::new(Vec::new());
        let (mut parts, body) = question.into_parts();
        parts.uri = self.0.jwks_url.parse().ok()?;
        let answer = self.0.outside.ask(Question::from_parts(parts, body)).await;
        let keys = match &answer {
            Ok(answer) if answer.status().is_success() => {
                serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
            }
            Ok(answer) => Err(format!("it answered {}", answer.status())),
            Err(unanswered) => Err(unanswered.to_string()),
        };
        keys.inspect_err(|error| {
            tracing::warn!(sso.issuer = self.0.issuer, error, "the keys of an issuer cannot be read");
        })
        .ok()
    }
}
