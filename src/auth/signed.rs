//! Tokens that somebody else signed: JWTs, proven by a key of a set that they publish.
//!
//! The algorithm is the key's: whatever the token says of itself has to agree with it.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde_json::Value;

use crate::domain::sso::Claims;

/// Most bytes of a token that is looked at.
pub(super) const TOKEN_MAX_BYTES: usize = 16 << 10;
/// How far the clock of who signed may be from ours.
pub(super) const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Whose token it has to be, for whom and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// `iss`.
    pub(super) issuer: &'a str,
    /// Has to be among `aud`.
    pub(super) audience: &'a str,
    /// What the header may say in `typ`, in lower case; one that says nothing is a `jwt`.
    pub(super) types: &'a [&'a str],
    /// Claims that have to be there, of those that the standard registers.
    pub(super) required: &'a [&'a str],
}

impl Expected<'_> {
    /// The key by which `token` says that it is signed; `None`: it does not say. Nothing of it is proven.
    ///
    /// # Errors
    /// Why it is no such token, for the log.
    pub(super) fn key_id(&self, token: &str) -> Result<Option<String>, String> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err("it is too long".to_owned());
        }
        let header = decode_header(token).map_err(|error| error.to_string())?;
        let kind = header.typ.as_deref().unwrap_or("jwt").to_ascii_lowercase();
        if !self.types.contains(&kind.as_str()) || header.crit.is_some() {
            return Err("it is for something else".to_owned());
        }
        Ok(header.kid)
    }

    /// What `token` says, once it is seen that `key` signed it. Its times are not looked at: see [`is_in_time`].
    ///
    /// # Errors
    /// Why it does not count, for the log.
    pub(super) fn claims(&self, token: &str, key: &Jwk) -> Result<Claims, String> {
        let algorithm = algorithm(key).ok_or("its key signs nothing here")?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[self.issuer]);
        validation.set_audience(&[self.audience]);
        validation.set_required_spec_claims(self.required);
        // The time is compared with our clock, not with the library's.
        validation.validate_exp = false;
        let decoding = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
        let token = decode::<Claims>(token, &decoding, &validation).map_err(|error| error.to_string())?;
        Ok(token.claims)
    }
}

/// The moment in the claim `name`, in seconds since 1970.
pub(super) fn moment(claims: &Claims, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(claims.get(name).and_then(Value::as_i64)?).ok()
}

/// Whether a token of these `claims` counts at `now`, as far as they say; a time that cannot be read never comes.
pub(super) fn is_in_time(claims: &Claims, now: Timestamp) -> bool {
    let (Ok(early), Ok(late)) = (now.saturating_sub(SKEW), now.saturating_add(SKEW)) else { return false };
    let all = |name: &str, holds: &dyn Fn(Timestamp) -> bool| {
        !claims.contains_key(name) || moment(claims, name).is_some_and(holds)
    };
    all("exp", &|end| end > early) && ["nbf", "iat"].iter().all(|name| all(name, &|begin| begin <= late))
}

/// What `key` signs with: what it says itself, or else what is usual for such a key. Never a secret that both sides share.
fn algorithm(key: &Jwk) -> Option<Algorithm> {
    if !matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    match (&key.algorithm, key.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), said) => match said {
            None | Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
            Some(KeyAlgorithm::RS384) => Some(Algorithm::RS384),
            Some(KeyAlgorithm::RS512) => Some(Algorithm::RS512),
            Some(KeyAlgorithm::PS256) => Some(Algorithm::PS256),
            Some(KeyAlgorithm::PS384) => Some(Algorithm::PS384),
            Some(KeyAlgorithm::PS512) => Some(Algorithm::PS512),
            Some(_) => None,
        },
        (AlgorithmParameters::EllipticCurve(key), said) => match (&key.curve, said) {
            (EllipticCurve::P256, None | Some(KeyAlgorithm::ES256)) => Some(Algorithm::ES256),
            (EllipticCurve::P384, None | Some(KeyAlgorithm::ES384)) => Some(Algorithm::ES384),
            _ => None,
        },
        (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA)) => {
            (key.curve == EllipticCurve::Ed25519).then_some(Algorithm::EdDSA)
        }
        _ => None,
    }
}
