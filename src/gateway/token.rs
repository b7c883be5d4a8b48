//! Tells the platform's tokens from those of apps.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::auth::jwt::AUDIENCE;

/// Whom a token is for: one audience, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    aud: Audience,
}

/// Whether an `Authorization` header carries a token of the platform: any that says so, good or not. Its signature is
/// of no interest here: what only looks like ours is kept from apps too.
pub fn is_ours(authorization: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(authorization) else { return false };
    let Some((scheme, token)) = text.trim_start().split_once(' ') else { return false };
    let payload = token.trim().split('.').nth(1).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    let decoded = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims = decoded.and_then(|bytes| serde_json::from_slice::<Claims>(&bytes).ok());
    claims.is_some_and(|claims| match claims.aud {
        Audience::One(audience) => audience == AUDIENCE,
        Audience::Several(all) => all.iter().any(|audience| audience == AUDIENCE),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bearer(claims: &serde_json::Value) -> String {
        format!("Bearer e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn a_token_of_the_platform_is_known_by_whom_it_is_for() {
        assert!(is_ours(bearer(&json!({ "aud": AUDIENCE })).as_bytes()));
        assert!(is_ours(bearer(&json!({ "aud": ["x", AUDIENCE] })).replace("Bearer", "bearer ").as_bytes()));
    }

    #[test]
    fn what_apps_use_is_their_own() {
        for own in ["Basic dXNlcjpwYXNz", "token 0123", "Bearer opaque", &bearer(&json!({ "aud": "grafana" })), ""] {
            assert!(!is_ours(own.as_bytes()), "{own}");
        }
    }
}
