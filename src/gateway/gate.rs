//! Who may come in: decided anew on every request, from memory.

use std::sync::Arc;

use actix_web::{
    dev::RequestHead,
    http::{Method, header},
};

use super::{Gateway, cookie};
use crate::{
    Error,
    crd::Session,
    domain::origins::Place,
    services::{connections, presence::Link, rights::Entry},
};

/// Someone who may come in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The connection that the cookie stands for.
    pub link: Arc<Link>,
    /// The session as it is now.
    pub session: Arc<Session>,
}

/// Who comes with that request to that place; `None`: nobody who may.
///
/// # Errors
/// Where the database has to be asked and does not answer.
pub async fn admit(gateway: &Gateway, place: &Place, head: &RequestHead) -> Result<Option<Admitted>, Error> {
    let Some(id) = connection(gateway, head) else { return Ok(None) };
    let (app, presence) = (gateway.app(), gateway.presence());
    let Some(link) = connections::known(app, presence, id).await? else { return Ok(None) };
    if link.connection.session != place.session {
        return Ok(None);
    }
    // Pages of an app cannot be looked on without working in them.
    let found = connections::session_of(app, &link.connection).await?.filter(|(_, entry)| *entry == Entry::Work);
    Ok(found.map(|(session, _)| Admitted { link, session }))
}

/// The connection that a request's cookie stands for.
fn connection(gateway: &Gateway, head: &RequestHead) -> Option<uuid::Uuid> {
    let style = gateway.0.style;
    let found = head.headers.get_all(header::COOKIE).find_map(|value| style.find(value.as_bytes()));
    cookie::open(&gateway.app().auth.secrets, found?)
}

/// What a browser tells of where a request stems from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The session's own pages, or nobody's.
    Own,
    /// Another site's page that leads here: a link, a frame.
    Navigation,
    /// Another site's page.
    Foreign,
}

/// Where a request stems from. A WebSocket has to come from the session's own pages, and say so.
pub fn source(gateway: &Gateway, host: &str, head: &RequestHead, tunnel: bool) -> Source {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let own_origin = |origin: &str| {
        origin
            .strip_prefix(gateway.hosts().scheme())
            .and_then(|rest| rest.strip_prefix("://"))
            .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    let origin = text("origin");
    if tunnel {
        return if origin.is_some_and(own_origin) { Source::Own } else { Source::Foreign };
    }
    let foreign = origin.is_some_and(|origin| !own_origin(origin))
        || text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let leads_here = head.method == Method::GET
        && text("sec-fetch-mode") == Some("navigate")
        && matches!(text("sec-fetch-dest"), Some("document" | "iframe" | "frame"));
    match (foreign, leads_here) {
        (false, _) => Source::Own,
        (true, true) => Source::Navigation,
        (true, false) => Source::Foreign,
    }
}

/// Whether a person waits for a page, rather than a script for data.
pub fn wants_page(head: &RequestHead) -> bool {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let navigates = match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text("accept").is_some_and(|accept| accept.contains("text/html")),
    };
    navigates && matches!(head.method, Method::GET | Method::HEAD)
}
