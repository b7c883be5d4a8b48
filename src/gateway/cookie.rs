//! The cookie that lets a browser into one session, and what is kept away from apps and taken out of their hands.
//!
//! The cookie's value is the connection's id with a MAC: nobody can make one up, and whose connection it is and
//! whether that person may still come in is looked up on every request.

use actix_web::http::header::HeaderValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::auth::secret::Secrets;

/// Tells the MAC of this cookie from every other use of the same key.
const PURPOSE: &str = "app cookie";

/// Bytes of a connection's id.
const ID_BYTES: usize = 16;
/// Bytes of the MAC.
const MAC_BYTES: usize = 32;

/// Names of cookies, lower case, that belong to the platform wherever they begin so: they never reach an app, and an
/// app cannot set them.
const OURS: [&[u8]; 5] =
    [b"__host-app", b"__secure-app", b"streamspace", b"__host-streamspace", b"__secure-streamspace"];

/// How the cookie is written, which depends on how browsers reach the apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Over https, and on `*.localhost`, which browsers trust as much: framed by the dashboard, each frame's place
    /// with a cookie of its own.
    Partitioned,
    /// The same where all apps have one name: each session's cookie is for the paths below its own.
    Shared,
    /// Over plain http beyond this machine, where browsers refuse the other: kept within the same site.
    Plain,
}

impl Style {
    /// The cookie's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partitioned => "__Host-app",
            Self::Shared => "__Secure-app",
            Self::Plain => "streamspace_app",
        }
    }

    /// The value of `Set-Cookie` that hands `value` to the browser until it closes, for the paths below `prefix`.
    #[must_use]
    pub fn set(self, value: &str, prefix: &str) -> String {
        let name = self.name();
        match self {
            Self::Partitioned | Self::Shared => {
                format!("{name}={value}; Path={prefix}/; HttpOnly; Secure; SameSite=None; Partitioned")
            }
            Self::Plain => format!("{name}={value}; Path={prefix}/; HttpOnly; SameSite=Lax"),
        }
    }

    /// Whether browsers keep cookies in a frame of the dashboard's.
    const fn framed(self) -> bool {
        matches!(self, Self::Partitioned | Self::Shared)
    }

    /// The cookie's value in a `Cookie` header.
    #[must_use]
    pub fn find(self, header: &[u8]) -> Option<&[u8]> {
        pairs(header).find_map(|pair| pair.strip_prefix(self.name().as_bytes())?.strip_prefix(b"="))
    }
}

/// The cookie's value for a connection: 64 characters of base64url.
#[must_use]
pub fn seal(secrets: &Secrets, connection: Uuid) -> String {
    let mut bytes = [0; ID_BYTES + MAC_BYTES];
    bytes[..ID_BYTES].copy_from_slice(connection.as_bytes());
    bytes[ID_BYTES..].copy_from_slice(&secrets.mac(PURPOSE, connection.as_bytes()));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The connection a cookie's value stands for; `None` where we did not make it.
#[must_use]
pub fn open(secrets: &Secrets, value: &[u8]) -> Option<Uuid> {
    let mut bytes = [0; ID_BYTES + MAC_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
    let (id, mac) = bytes.split_at(ID_BYTES);
    let ours = length == bytes.len() && secrets.verify_mac(PURPOSE, id, mac);
    if ours { Uuid::from_slice(id).ok() } else { None }
}

/// The pairs of a `Cookie` header, without the space around them.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// Whether a cookie that is written so is the platform's. A browser sends `=name=value` as `name=value`, so leading
/// equals signs do not hide a name.
fn is_ours(pair: &[u8]) -> bool {
    let start = pair.iter().position(|byte| *byte != b'=' && !byte.is_ascii_whitespace()).unwrap_or(pair.len());
    let name = &pair[start..];
    OURS.iter().any(|ours| name.get(..ours.len()).is_some_and(|head| head.eq_ignore_ascii_case(ours)))
}

/// A `Cookie` header as an app may see it: the platform's cookies taken out. `None`: nothing is left.
#[must_use]
pub fn for_app(header: &HeaderValue) -> Option<http::HeaderValue> {
    let bytes = header.as_bytes();
    if !pairs(bytes).any(is_ours) {
        return http::HeaderValue::from_bytes(bytes).ok();
    }
    let mut left = Vec::with_capacity(bytes.len());
    for pair in pairs(bytes).filter(|pair| !is_ours(pair)) {
        if !left.is_empty() {
            left.extend_from_slice(b"; ");
        }
        left.extend_from_slice(pair);
    }
    if left.is_empty() { None } else { http::HeaderValue::from_maybe_shared(bytes::Bytes::from(left)).ok() }
}

/// What lets a browser keep an app's cookie where the dashboard frames the app on another site. It is sent in the
/// dashboard's frames alone then, or in a tab of the app's own, whatever the app asked for.
const FRAMED: &[u8] = b"; Secure; SameSite=None; Partitioned";

/// A `Set-Cookie` of an app as the browser may have it: without `Domain`, so that it stays on the session's own
/// origin, and, where `style` lets apps be framed, such that it is kept in a frame. `None`: the cookie bears the
/// platform's name and is dropped.
///
/// `prefix`: the path below which browsers reach the app; its cookies are for nobody else.
#[must_use]
pub fn from_app(header: &http::HeaderValue, style: Style, prefix: &str) -> Option<HeaderValue> {
    let bytes = header.as_bytes();
    if is_ours(bytes) {
        return None;
    }
    let replaced: &[&[u8]] = match style {
        Style::Partitioned | Style::Shared => &[b"domain", b"secure", b"samesite", b"partitioned"],
        Style::Plain => &[b"domain"],
    };
    let mut parts = bytes.split(|byte| *byte == b';');
    let mut kept = parts.next().unwrap_or_default().to_vec();
    for part in parts.filter(|part| !is_one_of(part, replaced)) {
        kept.push(b';');
        match path(part).filter(|path| !is_below(path, prefix.as_bytes())) {
            Some(path) => kept.extend_from_slice(&[b" Path=", prefix.as_bytes(), path].concat()),
            None => kept.extend_from_slice(part),
        }
    }
    if style.framed() {
        kept.extend_from_slice(FRAMED);
    }
    HeaderValue::from_bytes(&kept).ok()
}

/// The value of an attribute `Path` of `Set-Cookie`.
fn path(attribute: &[u8]) -> Option<&[u8]> {
    let at = attribute.iter().position(|byte| *byte == b'=').filter(|_| is_one_of(attribute, &[b"path"]))?;
    Some(attribute[at + 1..].trim_ascii())
}

/// Whether browsers keep to `prefix` for a path.
fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest[0] == b'/')
}

/// Whether an attribute of `Set-Cookie` has one of these names, with a value or without.
fn is_one_of(attribute: &[u8], names: &[&[u8]]) -> bool {
    let name = attribute.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(letter: &str) -> Secrets {
        Secrets::from_text(&letter.repeat(32)).unwrap()
    }

    fn app_sees(cookies: &'static str) -> Option<String> {
        for_app(&HeaderValue::from_static(cookies)).map(|value| value.to_str().unwrap().to_owned())
    }

    fn browser_gets(cookie: &'static str) -> Option<String> {
        gets(cookie, Style::Plain)
    }

    fn gets(cookie: &'static str, style: Style) -> Option<String> {
        from_app(&http::HeaderValue::from_static(cookie), style, "").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_stands_for_its_connection_and_a_changed_one_for_none() {
        let (ours, others) = (secrets("a"), secrets("b"));
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let value = seal(&ours, id);
        assert_eq!(open(&ours, value.as_bytes()), Some(id));
        assert_eq!(open(&others, value.as_bytes()), None);
        for at in 0..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&ours, &forged), None, "byte {at}");
        }
        for bad in ["", "A", &value[..63], &format!("{value}A"), &format!("{value}=")] {
            assert_eq!(open(&ours, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        let found = |header: &'static str| Style::Partitioned.find(header.as_bytes());
        assert_eq!(found("a=b; __Host-app=X; c=d"), Some(&b"X"[..]));
        assert_eq!(found("__Host-apple=X"), None);
        assert_eq!(found("x__Host-app=X"), None);
    }

    #[test]
    fn an_app_sees_its_own_cookies_and_none_of_the_platforms() {
        assert_eq!(app_sees("theme=dark; _xsrf=1|2"), Some("theme=dark; _xsrf=1|2".into()));
        assert_eq!(app_sees("a=1; __Host-app=X; streamspace_session=Y;b=2"), Some("a=1; b=2".into()));
        assert_eq!(app_sees("__HOST-App=X; =streamspace_session=Y"), None);
    }

    #[test]
    fn a_cookie_of_an_app_stays_on_its_own_origin() {
        assert_eq!(browser_gets("a=1; Path=/; domain=example.org; Secure"), Some("a=1; Path=/; Secure".into()));
        assert_eq!(browser_gets("a=1; DOMAIN"), Some("a=1".into()));
        assert_eq!(browser_gets("domain=1; Path=/"), Some("domain=1; Path=/".into()));
    }

    #[test]
    fn a_cookie_of_an_app_is_kept_in_the_dashboards_frame_whatever_the_app_thinks_of_frames() {
        let framed = |rest: &str| Some(format!("_xsrf=1{rest}; Secure; SameSite=None; Partitioned"));
        assert_eq!(gets("_xsrf=1", Style::Partitioned), framed(""));
        assert_eq!(
            gets("_xsrf=1; Path=/; samesite = Strict; HttpOnly", Style::Partitioned),
            framed("; Path=/; HttpOnly")
        );
        let all = "_xsrf=1; secure; Partitioned; Max-Age=0; SameSite=None; Domain=a.test";
        assert_eq!(gets(all, Style::Partitioned), framed("; Max-Age=0"));
        assert_eq!(gets("__Host-app=x", Style::Partitioned), None);
    }

    #[test]
    fn below_one_name_a_cookie_is_for_the_paths_of_its_own_session() {
        assert_eq!(
            Style::Shared.set("v", "/s/a"),
            "__Secure-app=v; Path=/s/a/; HttpOnly; Secure; SameSite=None; Partitioned"
        );
        let gets = |cookie: &'static str| {
            let kept = from_app(&http::HeaderValue::from_static(cookie), Style::Plain, "/s/a")?;
            Some(kept.to_str().unwrap().to_owned())
        };
        assert_eq!(gets("x=1; Path=/"), Some("x=1; Path=/s/a/".into()));
        assert_eq!(gets("x=1; path=/lab; HttpOnly"), Some("x=1; Path=/s/a/lab; HttpOnly".into()));
        assert_eq!(gets("x=1; Path=/s/ab"), Some("x=1; Path=/s/a/s/ab".into()));
        assert_eq!(gets("x=1; Path=/s/a/lab"), Some("x=1; Path=/s/a/lab".into()));
        assert_eq!(gets("x=1"), Some("x=1".into()));
        assert_eq!(gets("__Secure-app=x"), None);
    }

    #[test]
    fn an_app_cannot_set_the_platforms_cookies_however_it_spells_them() {
        for name in ["__Host-app=x", "__hOST-APP=x", "=__Host-app=x", " = __Host-app=x", "streamspace_session=x"] {
            assert_eq!(browser_gets(name), None, "{name}");
        }
        assert!(browser_gets("app=x").is_some());
    }
}
