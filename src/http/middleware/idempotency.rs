//! `Idempotency-Key`: a state-changing request that is sent again has its effect once and the same answer.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::{self, BoxBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName},
    },
    middleware::Next,
    web,
};
use sha2::{Digest, Sha256};

use crate::{
    Error,
    auth::Caller,
    http::{
        body::{declared_length, read},
        context::Context,
        etag::REVISION,
        operation::{Kind, Operation},
        problem::{self, Refusal},
    },
    services::idempotency::{Begun, Kept, KeyOf, Keys},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key.
const LONGEST: usize = 255;
/// Headers that belong to the answer rather than to this exchange.
const KEPT_HEADERS: [HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, REVISION];

/// The key of the request, for services that name what they make after it.
#[derive(Clone, Debug)]
pub struct RequestKey(pub Option<String>);

impl FromRequest for RequestKey {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = request.extensions().get::<KeyOf>().map(|key| key.key.clone());
        std::future::ready(Ok(Self(key)))
    }
}

/// The key under which the request is to be executed once; none for requests that change nothing.
///
/// # Errors
/// [`Refusal::KeyRefused`] where no answer can be kept, [`Refusal::BadKey`] for a key that is none.
pub fn wish(operation: &Operation, caller: Option<&Caller>, headers: &HeaderMap) -> Result<Option<KeyOf>, Refusal> {
    let Some(value) = headers.get(HEADER).filter(|_| operation.method != "GET") else { return Ok(None) };
    let (Kind::Plain, Some(caller)) = (operation.kind, caller) else { return Err(Refusal::KeyRefused) };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > LONGEST || !key.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::BadKey);
    }
    Ok(Some(KeyOf { caller: caller.user.clone(), key: String::from_utf8_lossy(key).into_owned() }))
}

/// Refusals that hold until somebody stops something, or a month ends: they are not kept.
const PASSING: [&str; 2] = ["quota-exceeded", "budget-spent"];

/// Executes the request, or tells the answer of the first one again.
pub async fn once(
    key: KeyOf,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let keys = request.app_data::<web::Data<Keys>>().cloned();
    let keys = keys.ok_or_else(|| Error::internal("no keys are kept here"))?;
    let declared = declared_length(request.request());
    let bytes = read(request.take_payload(), declared).await?;
    match keys.begin(key.clone(), hash(request.request(), &bytes)).await? {
        Begun::Replay(kept) => Ok(request.into_response(replay(kept)?)),
        Begun::Execute(running) => {
            request.set_payload(bytes.into());
            request.extensions_mut().insert(key);
            let answer = next.call(request).await?;
            let passing = problem::code_of(&answer).is_some_and(|code| PASSING.contains(&code));
            let (answer, kept) = keep(answer).await?;
            let ended = if passing { running.forget().await } else { running.finish(&kept).await };
            if let Err(error) = ended {
                // The effect is there and the caller is told so; a repeated request will find it.
                tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept for its key");
            }
            Ok(answer)
        }
    }
}

/// SHA-256 of method, path with query, and body; a zero byte between them keeps them apart.
fn hash(request: &HttpRequest, body: &[u8]) -> [u8; 32] {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    Sha256::new()
        .chain_update(request.method().as_str())
        .chain_update([0])
        .chain_update(path)
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into()
}

/// Reads the answer's body to its end, so that it can be kept.
async fn keep(answer: ServiceResponse) -> Result<(ServiceResponse, Kept), actix_web::Error> {
    // A problem is completed here and not later: a replay tells the same.
    let answer = match Context::of(answer.request()) {
        Some(context) => problem::complete(&context, answer),
        None => answer,
    };
    let (request, response) = answer.into_parts();
    let (response, sent) = response.into_parts();
    let bytes = body::to_bytes(sent).await.map_err(|error| Error::Internal(error.to_string().into()))?;
    let text = |name: &HeaderName| Some((name.to_string(), response.headers().get(name)?.to_str().ok()?.to_owned()));
    let headers = KEPT_HEADERS.iter().filter_map(text).collect();
    let kept = Kept { status: response.status().as_u16(), headers, body: bytes.to_vec() };
    Ok((ServiceResponse::new(request, response.set_body(BoxBody::new(bytes))), kept))
}

fn replay(kept: Kept) -> Result<HttpResponse, Error> {
    let status = StatusCode::from_u16(kept.status).map_err(Error::internal)?;
    let mut answer = HttpResponse::build(status);
    for (name, value) in kept.headers {
        answer.insert_header((name, value));
    }
    Ok(answer.insert_header((REPLAYED, "true")).body(kept.body))
}
