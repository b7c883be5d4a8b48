//! Who calls, and whether they may: asked before a body is read.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Payload, RequestHead},
    http::{Method, header},
    web,
};
use futures::future::LocalBoxFuture;

use super::{
    context::Context,
    cookie::{self, Purpose},
    middleware::policy::Policy,
    operation::Guard,
};
use crate::{
    Error,
    auth::{Auth, Caller, FIRST_ADMINISTRATOR, Identity, Permission, Presented, Standing, permission::Required},
    config::AuthMode,
};

/// A caller who holds the permission `P`. As the first argument of a handler it answers 401 and 403 before the body is
/// read.
pub struct Guarded<P> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P: Required> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("caller", &self.caller).field("permission", &P::PERMISSION).finish()
    }
}

impl<P> Deref for Guarded<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Required> FromRequest for Guarded<P> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = caller(&request).await?;
            check(&caller, P::PERMISSION)?;
            Ok(Self { caller, permission: PhantomData })
        })
    }
}

impl<P: Required> Guard for Guarded<P> {
    const PERMISSION: Option<Permission> = Some(P::PERMISSION);

    fn caller(&self) -> Option<&Caller> {
        Some(&self.caller)
    }
}

/// Anybody: a caller who is known, or one who is not.
#[derive(Debug)]
pub struct Visitor(pub Option<Caller>);

impl FromRequest for Visitor {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match caller(&request).await {
                Ok(caller) => Ok(Self(Some(caller))),
                Err(Error::Unauthenticated) => Ok(Self(None)),
                Err(error) => Err(error),
            }
        })
    }
}

impl Guard for Visitor {
    const PERMISSION: Option<Permission> = None;

    fn caller(&self) -> Option<&Caller> {
        self.0.as_ref()
    }
}

/// Whether `caller` may.
///
/// # Errors
/// [`Error::Forbidden`] saying who may.
pub fn check(caller: &Caller, permission: Permission) -> Result<(), Error> {
    caller.may(permission).then_some(()).ok_or_else(|| Error::Forbidden(refusal(caller, permission)))
}

/// Who may, told to one who may not.
fn refusal(caller: &Caller, permission: Permission) -> String {
    let word = permission.word();
    if caller.scopes.as_ref().is_some_and(|scopes| !scopes.contains(&permission)) {
        return format!("this token is not for {word}: make one with that scope");
    }
    let roles: Vec<&str> = permission.roles().iter().map(|role| role.word()).collect();
    format!("{word} needs the role {}: ask an administrator", roles.join(" or "))
}

/// Who calls. Asked once a request; the second time it is known.
///
/// # Errors
/// [`Error::Unauthenticated`] without a credential that is good, [`Error::Forbidden`] for what `AUTH_MODE=none` does
/// not let in.
pub async fn caller(request: &HttpRequest) -> Result<Caller, Error> {
    if let Some(known) = request.extensions().get::<Caller>() {
        return Ok(known.clone());
    }
    let auth = auth(request)?;
    let identity = match auth.mode {
        AuthMode::None => anyone(request)?,
        AuthMode::Jwt | AuthMode::Saml | AuthMode::Hybrid => identified(auth, request).await?,
    };
    let context = Context::of(request);
    let found = Caller {
        address: context.as_ref().and_then(|context| context.address),
        request_id: context.map(|context| context.id.to_string()),
        ..identity.caller()
    };
    let mut kept = request.extensions_mut();
    kept.insert(identity);
    kept.insert(found.clone());
    Ok(found)
}

/// What tells who is calling.
///
/// # Errors
/// A defect of ours: requests that pass the API's stack have it.
pub fn auth(request: &HttpRequest) -> Result<&Auth, Error> {
    let data = request.app_data::<web::Data<Auth>>().ok_or_else(|| Error::internal("requests have no Auth"))?;
    Ok(data)
}

/// By what the request shows. With an `Authorization` the cookie does not count: who sends one means it.
async fn identified(auth: &Auth, request: &HttpRequest) -> Result<Arc<Identity>, Error> {
    let mut authorizations = request.headers().get_all(header::AUTHORIZATION);
    let cookie;
    let presented = match (authorizations.next(), authorizations.next()) {
        (None, _) => {
            cookie = cookie::read(request, Purpose::Session).ok_or(Error::Unauthenticated)?;
            Presented::Cookie(&cookie)
        }
        (Some(only), None) => Presented::Bearer(only.to_str().ok().and_then(bearer).ok_or(Error::Unauthenticated)?),
        (Some(_), Some(_)) => return Err(Error::Unauthenticated),
    };
    auth.identify(presented).await
}

/// What is kept of the caller of `request` for as long as something that they opened goes on.
///
/// # Errors
/// As [`caller`].
pub async fn standing(request: &HttpRequest) -> Result<Standing, Error> {
    caller(request).await?;
    let kept = request.extensions();
    kept.get::<Arc<Identity>>().map(|identity| Standing::of(identity)).ok_or(Error::Unauthenticated)
}

/// The token in `Bearer token`; the scheme in any case (RFC 9110, 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The administrator of `AUTH_MODE=none`: whoever sits at this machine, but no page that their browser happens to
/// show, and nobody behind a proxy.
fn anyone(request: &HttpRequest) -> Result<Arc<Identity>, Error> {
    let refuse = |reason: &str| Err(Error::Forbidden(format!("AUTH_MODE=none: {reason}")));
    let head = request.head();
    if !request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return refuse("only this machine itself may call");
    }
    if ["forwarded", "x-forwarded-for", "x-forwarded-host"].iter().any(|name| head.headers.contains_key(*name)) {
        return refuse("a proxy would let everybody in; switch sign-in on");
    }
    let policy = request.app_data::<web::Data<Policy>>().ok_or_else(|| Error::internal("requests have no Policy"))?;
    if policy.hosts.check(head).is_err() || !of_our_page(policy, head) {
        return refuse("this request comes from another site's page");
    }
    Ok(Arc::new(Identity::anyone(FIRST_ADMINISTRATOR)))
}

/// Whether the request comes from a page of ours, or from the person: an address typed, a link followed, a program
/// that is no browser.
///
/// A browser says where a request comes from with `Origin`, or with `Sec-Fetch-Site` where it sends no `Origin`. One
/// that says neither reads or navigates; changes without an `Origin` are refused for everybody.
fn of_our_page(policy: &Policy, head: &RequestHead) -> bool {
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let navigation = head.method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    match (text("origin"), text("sec-fetch-site")) {
        (Some(origin), _) => policy.origins.is_ours(origin, head),
        (None, Some("same-origin" | "none")) => true,
        (None, Some(_)) => navigation,
        (None, None) => matches!(head.method, Method::GET | Method::HEAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read_in_any_case_and_nothing_else_is_one() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        for other in ["Basic abc", "Bearer", "Bearer ", "abc", "Bearerabc"] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }
}
