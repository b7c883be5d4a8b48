//! The way from a browser to a running app.
//!
//! Every session has an origin of its own, since apps are hostile by assumption. Requests for one are taken out of the
//! server's stack by their host, before the API's routes and layers: see [`Front`].

mod activity;
mod cookie;
mod enter;
mod frames;
mod front;
mod gate;
mod headers;
mod http;
mod pages;
mod probe;
mod rfb;
mod route;
mod token;
mod tunnel;
mod upstream;
mod vnc;

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    dev::RequestHead,
    http::header::{HeaderMap, HeaderValue},
};

pub use self::{
    activity::start,
    front::Front,
    vnc::{Viewing, open as view},
};
use self::{cookie::Style, headers::Ours};
use crate::{
    App,
    crd::Session,
    domain::origins::{Hosts, Place, Routing},
    services::{
        activity::Usages,
        presence::{Cause, Presence, Use},
    },
};

/// Tells whose request it is, from the address of the peer and the headers.
pub type ClientOf = dyn Fn(IpAddr, &HeaderMap) -> IpAddr + Send + Sync;

/// What the gateway is made of.
pub struct Wiring {
    /// The server's parts.
    pub app: App,
    /// Who is connected.
    pub presence: Presence,
    /// Tells whose request it is.
    pub client_of: Box<ClientOf>,
}

impl std::fmt::Debug for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wiring").field("app", &self.app).finish_non_exhaustive()
    }
}

/// A request for an app.
#[derive(Clone, Copy)]
struct Asked<'a> {
    place: &'a Place,
    /// Below which path the app is reached, without a slash at its end; empty where it has a name of its own.
    prefix: &'a str,
    /// What follows of the path.
    path: &'a str,
    /// The host that the browser names.
    host: &'a str,
    head: &'a RequestHead,
}

/// A cheap handle to the gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

struct Parts {
    wiring: Wiring,
    hosts: Hosts,
    ours: Ours,
    style: Style,
    usages: Usages,
    requests: metrics::Counter,
    bytes_to_apps: metrics::Counter,
    bytes_to_browsers: metrics::Counter,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("hosts", &self.0.hosts).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The gateway of a server.
    #[must_use]
    pub fn new(wiring: Wiring) -> Self {
        let http = &wiring.app.config.http;
        let hosts = http.hosts();
        describe();
        let style = match (hosts.is_trustworthy(), hosts.routing()) {
            (true, Routing::Subdomain) => Style::Partitioned,
            (true, Routing::Host) => Style::Shared,
            (false, _) => Style::Plain,
        };
        Self(Arc::new(Parts {
            ours: Ours::new(hosts.scheme(), hosts.dashboard(), style),
            style,
            hosts,
            usages: Usages::default(),
            requests: metrics::counter!("streamspace_gateway_requests_total"),
            bytes_to_apps: metrics::counter!("streamspace_gateway_bytes_total", "direction" => "to_app"),
            bytes_to_browsers: metrics::counter!("streamspace_gateway_bytes_total", "direction" => "to_browser"),
            wiring,
        }))
    }

    /// The server's parts.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.0.wiring.app
    }

    /// Who is connected.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.0.wiring.presence
    }

    /// What programs use.
    #[must_use]
    pub fn usages(&self) -> &Usages {
        &self.0.usages
    }

    fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    fn ours(&self) -> &Ours {
        &self.0.ours
    }

    /// Whose request it is, as far as it can be believed.
    fn client(&self, head: &RequestHead) -> Option<IpAddr> {
        head.peer_addr.map(|peer| (self.0.wiring.client_of)(peer.ip(), &head.headers))
    }

    /// Where the dashboard shows a session.
    fn page_of(&self, session: &str) -> String {
        format!("{}/sessions/{session}", self.hosts().dashboard())
    }

    fn session_page(&self, session: &Session) -> String {
        self.page_of(session.metadata.name.as_deref().unwrap_or_default())
    }

    /// Whether an `Authorization` is the app's own business: ours never reaches it.
    fn is_apps_own(value: &HeaderValue) -> bool {
        !token::is_ours(value.as_bytes())
    }

    /// Notes activity of a person.
    fn note(&self, used: &Arc<Use>, cause: Cause) {
        self.presence().note(used, cause, self.app().clock.now());
    }

    fn count_request(&self) {
        self.0.requests.increment(1);
    }

    fn count_bytes_to_apps(&self, bytes: usize) {
        self.0.bytes_to_apps.increment(bytes as u64);
    }

    fn count_bytes_to_browsers(&self, bytes: usize) {
        self.0.bytes_to_browsers.increment(bytes as u64);
    }
}

/// Describes the metrics, once.
fn describe() {
    metrics::describe_counter!("streamspace_gateway_requests_total", "Requests for apps, whatever came of them");
    metrics::describe_counter!(
        "streamspace_gateway_bytes_total",
        metrics::Unit::Bytes,
        "Bytes of bodies and sockets carried, by direction"
    );
}
