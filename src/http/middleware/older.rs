//! What older clients call by names without a version.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// The nouns behind `/api/` that answer as those behind `/api/v1/` do.
const KNOWN: [&str; 5] = ["auth/login", "auth/register", "users", "groups", "projects"];

/// Lets a request go on under the present name of what it asks for.
///
/// # Errors
/// Those of the request itself.
pub async fn rename<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if let Some(uri) = present(&request.head().uri) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// What identity providers were told before, and what it is now.
const SAML: [(&str, &str); 3] =
    [("/saml/metadata", "auth/saml/metadata"), ("/saml/acs", "auth/saml/acs"), ("/saml/slo", "auth/saml/slo")];

/// The present name, for one that is older.
fn present(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let rest = match SAML.into_iter().find(|(older, _)| *older == path) {
        Some((_, now)) => now,
        None => path.strip_prefix("/api/").filter(|rest| is_known(rest))?,
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/api/v1/{rest}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn is_known(rest: &str) -> bool {
    let is = |known| rest.strip_prefix(known).is_some_and(|more: &str| more.is_empty() || more.starts_with('/'));
    KNOWN.into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_older_clients_call_is_renamed() {
        let renamed = |text: &str| present(&text.parse().unwrap()).map(|uri| uri.to_string());
        for (older, now) in [
            ("/api/users", "/api/v1/users"),
            ("/api/users/alice?x=1", "/api/v1/users/alice?x=1"),
            ("/api/groups/physics/members", "/api/v1/groups/physics/members"),
            ("/api/auth/login", "/api/v1/auth/login"),
            ("/api/auth/register", "/api/v1/auth/register"),
            ("/saml/acs", "/api/v1/auth/saml/acs"),
            ("/saml/slo?x=1", "/api/v1/auth/saml/slo?x=1"),
            ("/saml/metadata?x=1", "/api/v1/auth/saml/metadata?x=1"),
            ("http://localhost:8000/api/users", "http://localhost:8000/api/v1/users"),
        ] {
            assert_eq!(renamed(older).as_deref(), Some(now), "{older}");
        }
        for other in [
            "/api/v1/users",
            "/api/usersx",
            "/api/sessions",
            "/api/auth/logout",
            "/users",
            "/saml/x",
            "/saml/acs/",
            "/api/",
            "/",
        ] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }
}
