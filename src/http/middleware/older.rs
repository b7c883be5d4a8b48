//! What older clients call by names without a version.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// The nouns behind `/api/` that answer as those behind `/api/v1/` do.
const KNOWN: [&str; 4] = ["auth/login", "users", "groups", "projects"];

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

/// The present name, for one that is older.
fn present(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix("/api/")?;
    let is = |known| rest.strip_prefix(known).is_some_and(|more: &str| more.is_empty() || more.starts_with('/'));
    KNOWN.into_iter().find(|known| is(*known))?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/api/v1/{rest}{query}")).ok()?);
    Uri::from_parts(parts).ok()
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
            ("http://localhost:8000/api/users", "http://localhost:8000/api/v1/users"),
        ] {
            assert_eq!(renamed(older).as_deref(), Some(now), "{older}");
        }
        for other in ["/api/v1/users", "/api/usersx", "/api/sessions", "/api/auth/logout", "/users", "/api/", "/"] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }
}
