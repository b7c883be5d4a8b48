//! What is done around every operation: who may, how often, once or again, and for how long.

use std::time::Duration;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Resource, Responder, Route,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    guard,
    middleware::{Next, from_fn},
    web,
};

use super::{
    context::Context,
    guard::caller,
    middleware::{idempotency, policy::Policy, revision},
    problem::Refusal,
};
use crate::{
    App, Error,
    auth::{Caller, Permission},
    services::audit,
};

/// Longest time that an operation may take until its answer begins.
pub const WITHIN: Duration = Duration::from_secs(10);

/// A method on a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// In upper case.
    pub method: &'static str,
    /// The pattern, such as `/api/v1/sessions/{id}`.
    pub path: &'static str,
    /// What is special about it.
    pub kind: Kind,
}

/// What is special about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: a state-changing one takes an `Idempotency-Key`.
    Plain,
    /// Its answer cannot be kept: a stream, a ticket, a secret told once. Refuses an `Idempotency-Key`.
    Unrepeatable,
    /// A way to sign in: limited more strictly, and refuses an `Idempotency-Key`.
    SignIn,
}

/// What has to hold before a handler is called. A handler says it with the type of its first argument.
pub trait Guard: FromRequest<Error = Error> + 'static {
    /// What the caller must be allowed; `None`: nothing.
    const PERMISSION: Option<Permission>;

    /// Who calls, as far as the guard asks.
    fn caller(&self) -> Option<&Caller>;
}

/// For what everybody may ask, signed in or not.
#[derive(Clone, Copy, Debug)]
pub struct Public;

impl FromRequest for Public {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self))
    }
}

impl Guard for Public {
    const PERMISSION: Option<Permission> = None;

    fn caller(&self) -> Option<&Caller> {
        None
    }
}

/// The arguments of a handler: a guard first.
pub trait Arguments: FromRequest {
    /// The first argument.
    type First: Guard;
}

macro_rules! arguments {
    ($($more:ident)*) => {
        impl<G: Guard, $($more: FromRequest + 'static),*> Arguments for (G, $($more,)*) {
            type First = G;
        }
    };
}
arguments! {}
arguments! { A }
arguments! { A B }
arguments! { A B C }
arguments! { A B C D }
arguments! { A B C D E }
arguments! { A B C D E F }

/// What a caller of `handler` must be allowed.
pub fn permission<F, Args>(_handler: F) -> Option<Permission>
where
    F: actix_web::Handler<Args>,
    Args: Arguments + 'static,
{
    Args::First::PERMISSION
}

/// The route of `operation`, answered by `handler` after its guard.
pub fn route<F, Args>(operation: &'static Operation, handler: F) -> Route
where
    F: actix_web::Handler<Args>,
    Args: Arguments + 'static,
    F::Output: Responder + 'static,
{
    let route = match operation.method {
        "GET" => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
        "POST" => web::post(),
        "PUT" => web::put(),
        "PATCH" => web::patch(),
        _ => web::delete(),
    };
    route.to(handler).wrap(from_fn(move |request, next| around::<Args::First>(operation, request, next)))
}

/// A resource whose other methods answer 405 with those of `operations`.
pub fn resource(path: &str, operations: &'static [Operation]) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| no_such_method(request, operations)))
}

async fn no_such_method(request: HttpRequest, known: &'static [Operation]) -> Result<HttpResponse, Refusal> {
    let methods = known.iter().map(|operation| operation.method);
    let head = known.iter().any(|operation| operation.method == "GET").then_some("HEAD");
    Err(Refusal::Method { method: request.method().to_string(), allow: methods.chain(head).collect() })
}

/// Runs one operation, within [`WITHIN`]. Always answers: an error here is an answer too.
async fn around<G: Guard>(
    operation: &'static Operation,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let asked = request.request().clone();
    if let Some(context) = Context::of(&asked) {
        context.operation.set(Some(operation));
    }
    let answer = match tokio::time::timeout(WITHIN, run::<G>(operation, request, next)).await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::TooSlow.into()),
    };
    Ok(answer.unwrap_or_else(|error| ServiceResponse::from_err(error, asked)))
}

/// The guard is asked before the body is read, so that a stranger's body is never looked at.
async fn run<G: Guard>(
    operation: &'static Operation,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let (asked, payload) = request.parts_mut();
    let guard = match G::from_request(asked, payload).await {
        Ok(guard) => guard,
        Err(error) => {
            if let Error::Forbidden(why) = &error {
                forbidden(operation, asked, why).await?;
            }
            return Err(error.into());
        }
    };
    count(operation, guard.caller(), asked)?;
    if operation.method == "GET" {
        revision::catch_up(asked).await;
    }
    match idempotency::wish(operation, guard.caller(), asked.headers())? {
        Some(key) => idempotency::once(key, request, next).await,
        None => next.call(request).await,
    }
}

/// Counts the request of one who may not make it, and writes down that they asked for a change: what they may not read
/// is told to them alone.
async fn forbidden(operation: &Operation, request: &HttpRequest, why: &str) -> Result<(), Error> {
    // Whom `AUTH_MODE=none` does not let in is nobody.
    let (Some(app), Ok(caller)) = (request.app_data::<web::Data<App>>(), caller(request).await) else { return Ok(()) };
    count(operation, Some(&caller), request)?;
    if operation.method == "GET" {
        return Ok(());
    }
    let asked = audit::Asked { method: operation.method, pattern: operation.path, path: request.path() };
    audit::record_forbidden(&app.pool.get().await?, &caller, asked, why).await
}

/// Counts the request against the limits of its person, or of its address where it tries to sign in.
fn count(operation: &Operation, caller: Option<&Caller>, request: &HttpRequest) -> Result<(), Error> {
    let (Some(context), Some(policy)) = (Context::of(request), request.app_data::<web::Data<Policy>>()) else {
        return Ok(());
    };
    if let Some(caller) = caller {
        context.user.replace(Some(caller.user.clone()));
        context.stand(policy.limits.count_user(&caller.user))?;
    }
    match (operation.kind, context.address) {
        (Kind::SignIn, Some(address)) => context.stand(policy.limits.count_sign_in(address)),
        _ => Ok(()),
    }
}
