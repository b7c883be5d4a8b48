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
    Gateway, enter,
    gate::{self, Admitted, Source},
    http::{self, ForwardError},
    pages::{self, State},
    route::{Route, Routes, Target, Web},
    tunnel,
    upstream::AwayError,
};
use crate::{Error, domain::origins::Place, engine::EngineError, services::presence::Cause, telemetry::task};

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
        let Some(place) = host.and_then(|host| self.worker.gateway.hosts().place(host)) else {
            let answer = self.next.call(request);
            return Box::pin(async move { answer.await.map(ServiceResponse::map_into_left_body) });
        };
        let worker = Rc::clone(&self.worker);
        Box::pin(async move {
            let (request, payload) = request.into_parts();
            let response = worker.answer(&place, request.head(), payload).await;
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
    async fn answer(&self, place: &Place, head: &RequestHead, payload: Payload) -> HttpResponse<BoxBody> {
        let gateway = &self.gateway;
        gateway.count_request();
        let tunnel = tunnel::asked(head);
        if head.uri.authority().is_some() || matches!(head.method, Method::CONNECT | Method::TRACE) {
            let detail = "apps are asked by path, with ordinary methods";
            return pages::problem(gateway, StatusCode::BAD_REQUEST, "bad-request", "Not a request for an app", detail);
        }
        let source = gate::source(gateway, host(head).unwrap_or_default(), head, tunnel);
        if source == Source::Foreign {
            let detail = "only pages of this session may do that";
            return pages::problem(gateway, StatusCode::FORBIDDEN, "cross-origin", "From another site", detail);
        }
        let answered = if head.uri.path().starts_with(enter::PREFIX) {
            let target = async |admitted: &Admitted| Ok(self.route(place, admitted).await?.target.clone());
            enter::answer(gateway, place, head, target).await
        } else {
            self.app(place, head, payload, tunnel).await
        };
        answered.unwrap_or_else(|error| unavailable(gateway, &error))
    }

    /// Answers a request that only an app can answer.
    async fn app(
        &self,
        place: &Place,
        head: &RequestHead,
        payload: Payload,
        tunnel: bool,
    ) -> Result<HttpResponse, Error> {
        let gateway = &self.gateway;
        let Some(admitted) = gate::admit(gateway, place, head).await? else {
            return Ok(no_way_in(gateway, place, head));
        };
        let route = self.route(place, &admitted).await?;
        gateway.presence().beat(&admitted.link, gateway.app().clock.now());
        let web = match &route.target {
            Target::Web(web) => web,
            Target::Away => return Ok(away(gateway, head, &State::of(gateway, &admitted.session))),
            Target::Viewer => return Ok(pages::redirect(gateway, &gateway.session_page(&admitted.session))),
            Target::NoSuchPort => return Ok(no_such_port(gateway)),
        };
        let answer = if tunnel {
            tunnel::open(gateway, &route, web, &admitted.link, head, payload).await
        } else {
            self.plain(&route, web, &admitted, head, payload).await
        };
        Ok(answer.unwrap_or_else(|error| failed(gateway, head, &admitted, &error)))
    }

    /// Passes an ordinary request on.
    async fn plain(
        &self,
        route: &Route,
        web: &Web,
        admitted: &Admitted,
        head: &RequestHead,
        payload: Payload,
    ) -> Result<HttpResponse, ForwardError> {
        if !route.ignores(head.uri.path()) {
            self.gateway.note(&route.used(), Cause::Request);
        }
        http::forward(&self.gateway, &web.pool, &admitted.link, head, payload).await
    }

    async fn route(&self, place: &Place, admitted: &Admitted) -> Result<Rc<Route>, Error> {
        let template = self.gateway.app().templates.get(&admitted.session.spec.template).await?;
        Ok(self.routes.resolve(self.gateway.presence(), place, &admitted.session, template.as_ref()))
    }
}

fn no_way_in(gateway: &Gateway, place: &Place, head: &RequestHead) -> HttpResponse {
    if gate::wants_page(head) {
        return pages::entrance(gateway, &place.session, enter::NO_WAY_IN);
    }
    pages::problem(gateway, StatusCode::FORBIDDEN, "no-way-in", "No way in", enter::NO_WAY_IN)
}

fn no_such_port(gateway: &Gateway) -> HttpResponse {
    pages::problem(gateway, StatusCode::NOT_FOUND, "no-such-port", "No such port", "the program has no such port")
}

/// Says why the app cannot be asked at the moment.
fn away(gateway: &Gateway, head: &RequestHead, state: &State) -> HttpResponse {
    if gate::wants_page(head) {
        return pages::waiting(gateway, state);
    }
    let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, "session-not-running");
    pages::problem(gateway, status, code, "The session does not answer", &state.summary())
}

/// Says why the app was asked and did not answer.
fn failed(gateway: &Gateway, head: &RequestHead, admitted: &Admitted, error: &ForwardError) -> HttpResponse {
    let session = admitted.session.metadata.name.as_deref().unwrap_or_default();
    tracing::debug!(session.id = session, error = %error, "an app did not answer");
    match error {
        ForwardError::Away(AwayError::Engine(EngineError::NoSuchPort { .. })) => no_such_port(gateway),
        ForwardError::Away(AwayError::Engine(_) | AwayError::Dial) => {
            away(gateway, head, &State::silent(&admitted.session))
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
