//! `/.streamspace/`: what is ours on a session's origin. Entering with a ticket, and what the pages need.

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{
    Asked, Gateway, cookie,
    gate::{self, Admitted},
    pages::{self, State},
    route::Target,
};
use crate::{
    Error,
    domain::origins::Place,
    domain::template,
    services::{connections, rights::Entry},
};

/// Where everything of ours lies.
pub const PREFIX: &str = "/.streamspace/";

/// Said to those whose ticket leads nowhere.
const USED_UP: &str = "This way in was used already, or is older than half a minute.";
/// Said to those without a way in.
pub const NO_WAY_IN: &str = "Sessions are opened from StreamSpace, by those who may use them.";

/// Answers a request for something of ours.
///
/// # Errors
/// Where the database does not answer.
pub async fn answer(
    gateway: &Gateway,
    asked: &Asked<'_>,
    target: impl AsyncFnOnce(&Admitted) -> Result<Target, Error>,
) -> Result<HttpResponse, Error> {
    let name = asked.path.strip_prefix(PREFIX).unwrap_or_default();
    if asked.head.method != Method::GET {
        return Ok(pages::problem(
            gateway,
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "No such method here",
            "use GET",
        ));
    }
    match name {
        "enter" => enter(gateway, asked).await,
        "state" => state(gateway, asked, target).await,
        _ => Ok(pages::asset(gateway, name).unwrap_or_else(|| not_found(gateway))),
    }
}

fn not_found(gateway: &Gateway) -> HttpResponse {
    pages::problem(gateway, StatusCode::NOT_FOUND, "no-route", "No such URL", "there is nothing here")
}

/// Takes a ticket for a cookie, and leads on to a clean address.
async fn enter(gateway: &Gateway, asked: &Asked<'_>) -> Result<HttpResponse, Error> {
    let Asked { place, prefix, head, .. } = *asked;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    // A browser that only guesses where the person goes next must not use the ticket up.
    let guesses = head.headers.contains_key("sec-purpose") || head.headers.contains_key("purpose");
    let ticket = value("ticket").filter(|_| !guesses).unwrap_or_default();
    let (app, presence) = (gateway.app(), gateway.presence());
    let link = connections::enter(app, presence, &place.session, ticket).await?;
    let session = match &link {
        Some(link) => {
            let found = connections::session_of(app, &link.connection).await?;
            found.filter(|(_, entry)| *entry == Entry::Work).map(|(session, _)| session)
        }
        None => None,
    };
    let (Some(link), Some(session)) = (link, session) else {
        return Ok(pages::entrance(gateway, asked, USED_UP));
    };
    let to = match value("to").filter(|to| is_local(to)) {
        Some(to) => to.to_owned(),
        None => start_path(gateway, place, &session.spec.template).await?,
    };
    let mut response = pages::redirect(gateway, &format!("{prefix}{to}"));
    let cookie = gateway.0.style.set(&cookie::seal(&app.auth.secrets, link.connection.id), prefix);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where a person starts.
async fn start_path(gateway: &Gateway, place: &Place, template: &str) -> Result<String, Error> {
    let template = gateway.app().templates.get(template).await?.filter(|_| place.port.is_none());
    let path = template.as_ref().map_or("/", |template| template::start_path(&template.spec));
    Ok(if is_local(path) { path.to_owned() } else { "/".into() })
}

/// Whether a path stays on this origin: browsers read `//host` and `/\host` as another one.
fn is_local(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// How the session stands, for the start page.
async fn state(
    gateway: &Gateway,
    asked: &Asked<'_>,
    target: impl AsyncFnOnce(&Admitted) -> Result<Target, Error>,
) -> Result<HttpResponse, Error> {
    let Some(admitted) = gate::admit(gateway, asked.place, asked.head).await? else {
        return Ok(pages::problem(gateway, StatusCode::FORBIDDEN, "no-way-in", "No way in", NO_WAY_IN));
    };
    gateway.presence().beat(&admitted.link, gateway.app().clock.now());
    let state = match target(&admitted).await? {
        Target::Web(web) if web.pool.connect(gateway.app()).await.is_err() => State::silent(&admitted.session),
        _ => State::of(gateway, &admitted.session),
    };
    Ok(pages::state(gateway, &state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_origin_is_led_to() {
        for good in ["/", "/lab", "/lab?path=a%20b#x", "/.streamspace/state"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "lab", "//evil.test", "/\\evil.test", "https://evil.test", "/a\r\nb", "/\t/evil.test", "/ä"] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
