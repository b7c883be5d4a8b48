//! The cookies of a browser that signed in, or is about to.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Says who signed in.
    Session,
    /// Says which browser asked an identity provider for a sign-in.
    SigningIn,
}

impl Purpose {
    /// Its name. Over https browsers accept it only from this very host, with `Secure` and for all paths, so that no app
    /// on a neighbouring name can plant one.
    const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, false) => "streamspace_session",
            (Self::Session, true) => "__Host-streamspace_session",
            (Self::SigningIn, false) => "streamspace_signin",
            (Self::SigningIn, true) => "__Host-signin",
        }
    }

    /// Which requests of other sites' pages it goes along with. A provider's answer may be a form that its page sends;
    /// without https browsers give that no cookie, whatever this says.
    const fn same_site(self, secure: bool) -> SameSite {
        match (self, secure) {
            (Self::SigningIn, true) => SameSite::None,
            (Self::SigningIn, false) | (Self::Session, _) => SameSite::Lax,
        }
    }
}

/// The cookie's value; none where there is more than one, of which any might have been planted.
#[must_use]
pub fn read(request: &HttpRequest, purpose: Purpose) -> Option<String> {
    let name = purpose.name(is_secure(request));
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
pub fn write(
    request: &HttpRequest,
    purpose: Purpose,
    secret: &SecretString,
    now: Timestamp,
    expires_at: Timestamp,
) -> Cookie<'static> {
    let left: SignedDuration = expires_at.duration_since(now);
    cookie(request, purpose, secret.expose_secret().to_owned(), Duration::seconds(left.as_secs()))
}

/// The cookie that takes the other's place when it is over.
#[must_use]
pub fn clear(request: &HttpRequest, purpose: Purpose) -> Cookie<'static> {
    cookie(request, purpose, String::new(), Duration::ZERO)
}

fn cookie(request: &HttpRequest, purpose: Purpose, value: String, max_age: Duration) -> Cookie<'static> {
    let secure = is_secure(request);
    Cookie::build(purpose.name(secure), value)
        .path("/")
        .http_only(true)
        .same_site(purpose.same_site(secure))
        .secure(secure)
        .max_age(max_age)
        .finish()
}

fn is_secure(request: &HttpRequest) -> bool {
    Context::of(request).is_some_and(|context| context.secure)
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpMessage, test::TestRequest};

    use super::{Purpose::*, *};

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
        assert_eq!(read(&request(true, &["__Host-streamspace_session=a; x=y"]), Session).as_deref(), Some("a"));
        assert_eq!(read(&request(true, &["streamspace_session=a"]), Session), None);
        assert_eq!(read(&request(false, &["x=y; streamspace_session=a"]), Session).as_deref(), Some("a"));
        assert_eq!(read(&request(false, &["__Host-streamspace_session=a"]), Session), None);
    }

    #[test]
    fn of_two_cookies_neither_counts() {
        assert_eq!(read(&request(false, &["streamspace_session=a; streamspace_session=b"]), Session), None);
        assert_eq!(read(&request(false, &["streamspace_session=a", "streamspace_session=b"]), Session), None);
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_from_other_sites_and_from_plain_http() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let written = |secure, purpose| {
            let (request, secret) = (request(secure, &[]), "s".to_owned().into());
            write(&request, purpose, &secret, now, now + SignedDuration::from_hours(1)).to_string()
        };
        assert_eq!(
            written(true, Session),
            "__Host-streamspace_session=s; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        assert_eq!(written(false, Session), "streamspace_session=s; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600");
        assert!(clear(&request(true, &[]), Session).to_string().ends_with("Max-Age=0"));
        // A provider's page may send its answer as a form, which is another site's request.
        assert_eq!(written(true, SigningIn), "__Host-signin=s; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=3600");
        assert_eq!(written(false, SigningIn), "streamspace_signin=s; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600");
    }
}
