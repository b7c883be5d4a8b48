//! Headers that tell browsers what our pages may do and who may show them.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::config;

/// A year, for https alone.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Swagger UI writes styles of its own and loads nothing from elsewhere.
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// The headers of every answer, made once.
#[derive(Clone, Debug)]
pub struct SecurityHeaders(Vec<(HeaderName, HeaderValue)>);

impl SecurityHeaders {
    /// As the configuration asks for: the apps' origins may be framed, and https is insisted on where it is used.
    ///
    /// # Errors
    /// When `APPS_DOMAIN` does not fit into a header.
    pub fn new(config: &config::Http) -> Result<Self, InvalidHeaderValue> {
        let public = config.public_url();
        let apps = config.hosts().source();
        let policy = format!(
            "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             font-src 'self' data:; connect-src 'self'; frame-src 'self' {apps}; frame-ancestors 'none'; \
             object-src 'none'; base-uri 'none'; form-action 'self'"
        );
        let mut headers = vec![
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy)?),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CORP, HeaderValue::from_static("same-origin")),
            (PERMISSIONS, HeaderValue::from_static("camera=(), geolocation=(), microphone=()")),
        ];
        if public.scheme() == "https" {
            headers.push((header::STRICT_TRANSPORT_SECURITY, HSTS));
        }
        Ok(Self(headers))
    }

    /// Adds them; a header that the handler set itself stays.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(arguments: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        SecurityHeaders::new(&config::test::http(arguments)).unwrap().add_to(&mut headers);
        headers
    }

    fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
        headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn scripts_come_from_here_alone_and_only_the_apps_may_be_framed() {
        let headers = headers(&["--public-url=https://platform.test", "--apps-domain=apps.platform.test"]);
        let policy = value(&headers, &header::CONTENT_SECURITY_POLICY);
        let directive = |name: &str| policy.split("; ").find_map(|part| part.strip_prefix(name)).unwrap_or("");
        assert_eq!(directive("script-src "), "'self'");
        assert_eq!(directive("frame-src "), "'self' https://*.apps.platform.test");
        assert_eq!(directive("frame-ancestors "), "'none'");
        assert_eq!(value(&headers, &header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }

    #[test]
    fn https_is_insisted_on_only_where_it_is_used() {
        let https = headers(&["--public-url=https://platform.test"]);
        assert_eq!(value(&https, &header::STRICT_TRANSPORT_SECURITY), "max-age=31536000");
        assert!(!headers(&[]).contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
