//! The cookie of a browser that signed in.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;

/// Its name over plain http.
const PLAIN: &str = "streamspace_session";
/// Its name over https: browsers accept it only from this very host, with `Secure` and for all paths, so that no app
/// on a neighbouring name can plant one.
const HOST: &str = "__Host-streamspace_session";

/// The cookie's value; none where there is more than one, of which any might have been planted.
#[must_use]
pub fn read(request: &HttpRequest) -> Option<String> {
    let name = name(request);
    let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let first = values.next()?;
    values.next().is_none().then(|| first.to_owned())
}

/// The cookie that holds `secret` until `expires_at`.
#[must_use]
pub fn write(request: &HttpRequest, secret: &SecretString, now: Timestamp, expires_at: Timestamp) -> Cookie<'static> {
    let left: SignedDuration = expires_at.duration_since(now);
    cookie(request, secret.expose_secret().to_owned(), Duration::seconds(left.as_secs()))
}

/// The cookie that takes the other's place when the browser signs out.
#[must_use]
pub fn clear(request: &HttpRequest) -> Cookie<'static> {
    cookie(request, String::new(), Duration::ZERO)
}

fn cookie(request: &HttpRequest, value: String, max_age: Duration) -> Cookie<'static> {
    Cookie::build(name(request), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure(request))
        .max_age(max_age)
        .finish()
}

fn name(request: &HttpRequest) -> &'static str {
    if is_secure(request) { HOST } else { PLAIN }
}

fn is_secure(request: &HttpRequest) -> bool {
    Context::of(request).is_some_and(|context| context.secure)
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpMessage, test::TestRequest};

    use super::*;

    fn request(secure: bool, cookies: &[&str]) -> HttpRequest {
        let mut request = TestRequest::get();
        for line in cookies {
            request = request.append_header(("cookie", *line));
        }
        let request = request.to_http_request();
        request.extensions_mut().insert(Context::new("r".into(), None, None, secure));
        request
    }

    #[test]
    fn over_tls_only_the_name_that_cannot_be_planted_counts() {
        assert_eq!(read(&request(true, &["__Host-streamspace_session=a; x=y"])).as_deref(), Some("a"));
        assert_eq!(read(&request(true, &["streamspace_session=a"])), None);
        assert_eq!(read(&request(false, &["x=y; streamspace_session=a"])).as_deref(), Some("a"));
        assert_eq!(read(&request(false, &["__Host-streamspace_session=a"])), None);
    }

    #[test]
    fn of_two_cookies_neither_counts() {
        assert_eq!(read(&request(false, &["streamspace_session=a; streamspace_session=b"])), None);
        assert_eq!(read(&request(false, &["streamspace_session=a", "streamspace_session=b"])), None);
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_from_other_sites_and_from_plain_http() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let written =
            |secure| write(&request(secure, &[]), &"s".to_owned().into(), now, now + SignedDuration::from_hours(1));
        assert_eq!(
            written(true).to_string(),
            "__Host-streamspace_session=s; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        assert_eq!(written(false).to_string(), "streamspace_session=s; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600");
        assert!(clear(&request(true, &[])).to_string().ends_with("Max-Age=0"));
    }
}
