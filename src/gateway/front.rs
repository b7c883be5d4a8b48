//! Takes requests for apps out of the server's stack, by their host.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
};

use actix_web::{
    Error as ActixError, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Payload, RequestHead, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{Method, StatusCode, header},
};

use super::{
    Asked, Gateway, enter,
    gate::{self, Admitted, Source},
    headers::Below,
    http::{self, ForwardError},
    pages::{self, State},
    route::{Route, Routes, Target},
    tunnel,
    upstream::AwayError,
};
use crate::{
    Error,
    domain::origins::{Address, Place},
    engine::EngineError,
    services::presence::Cause,
    telemetry::task,
};

/// How often a worker closes what nobody needs.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(15);

/// The layer that comes first: requests for apps go to them, all others go on.
#[derive(Clone, Debug)]
pub struct Front(pub Gateway);

impl<S, B> Transform<S, ServiceRequest> for Front
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = ActixError> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = ActixError;
    type Transform = FrontService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, next: S) -> Self::Future {
        let worker = Rc::new(Worker { gateway: self.0.clone(), routes: Routes::default() });
        let watched = Rc::downgrade(&worker);
        task::spawn_local("gateway-sweep", async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                let Some(worker) = watched.upgrade() else { return };
                worker.routes.sweep();
            }
        });
        ready(Ok(FrontService { next, worker }))
    }
}

/// [`Front`] in one worker.
#[derive(Debug)]
pub struct FrontService<S> {
    next: S,
    worker: Rc<Worker>,
}

impl<S, B> Service<ServiceRequest> for FrontService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = ActixError> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = ActixError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(next);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let host = host(request.head());
        let hosts = self.worker.gateway.hosts();
        let Some(address) = host.and_then(|host| hosts.find(host, request.head().uri.path())) else {
            let answer = self.next.call(request);
            return Box::pin(async move { answer.await.map(ServiceResponse::map_into_left_body) });
        };
        let worker = Rc::clone(&self.worker);
        Box::pin(async move {
            let (request, payload) = request.into_parts();
            let response = worker.answer(&address, request.head(), payload).await;
            Ok(ServiceResponse::new(request, response.map_into_right_body()))
        })
    }
}

/// The host that a request names. That of an absolute request line counts more than the header, as everywhere.
fn host(head: &RequestHead) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// What one worker keeps for itself.
#[derive(Debug)]
struct Worker {
    gateway: Gateway,
    routes: Routes,
}

impl Worker {
    /// Answers a request for an app, whatever happens.
    async fn answer(&self, address: &Address, head: &RequestHead, payload: Payload) -> HttpResponse<BoxBody> {
        let gateway = &self.gateway;
        let (prefix, path) = head.uri.path().split_at(address.prefix);
        let host = host(head).unwrap_or_default();
        let asked = Asked { place: &address.place, prefix, path, host, head };
        gateway.count_request();
        let tunnel = tunnel::asked(head);
        if head.uri.authority().is_some() || matches!(head.method, Method::CONNECT | Method::TRACE) {
            let detail = "apps are asked by path, with ordinary methods";
            return pages::problem(gateway, StatusCode::BAD_REQUEST, "bad-request", "Not a request for an app", detail);
        }
        let source = gate::source(gateway, host, head, tunnel);
        if source == Source::Foreign {
            let detail = "only pages of this session may do that";
            return pages::problem(gateway, StatusCode::FORBIDDEN, "cross-origin", "From another site", detail);
        }
        let answered = if path.is_empty() {
            // What the app names relative to its root would lie beside it.
            Ok(pages::redirect(gateway, &format!("{prefix}/")))
        } else if path.starts_with(enter::PREFIX) {
            let target = async |admitted: &Admitted| Ok(self.route(asked.place, admitted).await?.target.clone());
            enter::answer(gateway, &asked, target).await
        } else {
            self.app(&asked, payload, tunnel).await
        };
        answered.unwrap_or_else(|error| unavailable(gateway, &error))
    }

    /// Answers a request that only an app can answer.
    async fn app(&self, asked: &Asked<'_>, payload: Payload, tunnel: bool) -> Result<HttpResponse, Error> {
        let (gateway, Asked { place, head, prefix, host, .. }) = (&self.gateway, *asked);
        let Some(admitted) = gate::admit(gateway, place, head).await? else {
            return Ok(no_way_in(gateway, asked));
        };
        let route = self.route(place, &admitted).await?;
        gateway.presence().beat(&admitted.link, gateway.app().clock.now());
        let web = match &route.target {
            Target::Web(web) => web,
            Target::Away => return Ok(away(gateway, asked, &State::of(gateway, &admitted.session))),
            Target::Viewer => return Ok(pages::redirect(gateway, &gateway.session_page(&admitted.session))),
            Target::NoSuchPort => return Ok(no_such_port(gateway)),
        };
        let below = Below { prefix, kept: route.keeps_prefix(), host };
        let answer = if tunnel {
            tunnel::open(gateway, &route, web, &admitted.link, head, &below, payload).await
        } else {
            if !route.ignores(asked.path) {
                gateway.note(&route.used(), Cause::Request);
            }
            http::forward(gateway, &web.pool, &admitted.link, head, &below, payload).await
        };
        Ok(answer.unwrap_or_else(|error| failed(gateway, asked, &admitted, &error)))
    }

    async fn route(&self, place: &Place, admitted: &Admitted) -> Result<Rc<Route>, Error> {
        let template = self.gateway.app().templates.get(&admitted.session.spec.template).await?;
        Ok(self.routes.resolve(self.gateway.presence(), place, &admitted.session, template.as_ref()))
    }
}

fn no_way_in(gateway: &Gateway, asked: &Asked<'_>) -> HttpResponse {
    if gate::wants_page(asked.head) {
        return pages::entrance(gateway, asked, enter::NO_WAY_IN);
    }
    pages::problem(gateway, StatusCode::FORBIDDEN, "no-way-in", "No way in", enter::NO_WAY_IN)
}

fn no_such_port(gateway: &Gateway) -> HttpResponse {
    pages::problem(gateway, StatusCode::NOT_FOUND, "no-such-port", "No such port", "the program has no such port")
}

/// Says why the app cannot be asked at the moment.
fn away(gateway: &Gateway, asked: &Asked<'_>, state: &State) -> HttpResponse {
    if gate::wants_page(asked.head) {
        return pages::waiting(gateway, asked, state);
    }
    let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, "session-not-running");
    pages::problem(gateway, status, code, "The session does not answer", &state.summary())
}

/// Says why the app was asked and did not answer.
fn failed(gateway: &Gateway, asked: &Asked<'_>, admitted: &Admitted, error: &ForwardError) -> HttpResponse {
    let session = admitted.session.metadata.name.as_deref().unwrap_or_default();
    tracing::debug!(session.id = session, error = %error, "an app did not answer");
    match error {
        ForwardError::Away(AwayError::Engine(EngineError::NoSuchPort { .. })) => no_such_port(gateway),
        ForwardError::Away(AwayError::Engine(_) | AwayError::Dial) => {
            away(gateway, asked, &State::silent(&admitted.session))
        }
        ForwardError::Away(AwayError::Full) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            pages::problem(gateway, status, "too-many-connections", "Too much at once", &error.to_string())
        }
        ForwardError::Away(AwayError::Silent) => {
            let status = StatusCode::GATEWAY_TIMEOUT;
            pages::problem(gateway, status, "app-silent", "The program does not answer", &error.to_string())
        }
        ForwardError::Away(AwayError::Http(_)) | ForwardError::Answer(_) => {
            let status = StatusCode::BAD_GATEWAY;
            pages::problem(gateway, status, "app-unreachable", "The program answered badly", &error.to_string())
        }
        ForwardError::Request(_) => {
            pages::problem(gateway, StatusCode::BAD_REQUEST, "bad-request", "Not a request", &error.to_string())
        }
    }
}

/// Says that the platform itself cannot tell at the moment.
fn unavailable(gateway: &Gateway, error: &Error) -> HttpResponse {
    tracing::warn!(error = %error, "a request for an app could not be judged");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    pages::problem(gateway, status, "unavailable", "Not ready", "the platform cannot tell at the moment: try again")
}
