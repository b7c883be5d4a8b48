//! A request to an app and its answer, both streamed.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, RequestHead},
    http::{ConnectionType, Method, StatusCode, Version},
};
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Gateway,
    headers::Below,
    upstream::{AwayError, Outgoing, Pool, Upstream},
};
use crate::services::{
    presence::{Link, OpenStream},
    rights::Entry,
};

/// What ends a request without an answer of the app.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The app is away.
    #[error(transparent)]
    Away(#[from] AwayError),
    /// The request is none that can be passed on.
    #[error("{0}")]
    Request(String),
    /// The answer is none that can be passed on.
    #[error("the program answered with what was not asked: {0}")]
    Answer(&'static str),
}

/// The request that the app gets.
///
/// # Errors
/// [`ForwardError::Request`].
pub fn request(
    gateway: &Gateway,
    head: &RequestHead,
    below: &Below<'_>,
    tunnel: bool,
    body: Outgoing,
) -> Result<hyper::Request<Outgoing>, ForwardError> {
    let wrong = |error: &dyn std::error::Error| ForwardError::Request(error.to_string());
    let mut request = hyper::Request::new(body);
    *request.headers_mut() = gateway
        .ours()
        .to_app(head, gateway.client(head), below, tunnel, Gateway::is_apps_own)
        .map_err(|error| wrong(&error))?;
    *request.method_mut() = http::Method::from_bytes(head.method.as_str().as_bytes()).map_err(|error| wrong(&error))?;
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = below.asked(target).parse().map_err(|error: http::uri::InvalidUri| wrong(&error))?;
    Ok(request)
}

/// Passes a request on and answers what the app does.
///
/// # Errors
/// [`ForwardError`] where no answer began.
pub async fn forward(
    gateway: &Gateway,
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: &RequestHead,
    below: &Below<'_>,
    payload: Payload,
) -> Result<HttpResponse, ForwardError> {
    let repeatable =
        matches!(payload, Payload::None) && matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let first = request(gateway, head, below, false, Outgoing::new(payload))?;
    let again = || if repeatable { request(gateway, head, below, false, Outgoing::none()).ok() } else { None };
    let (upstream, answer) = pool.send(gateway.app(), first, again).await?;
    if answer.status().is_informational() {
        return Err(ForwardError::Answer("a change of protocol"));
    }
    Ok(respond(gateway, pool, link, head, below, (upstream, answer)))
}

/// The answer that the browser gets.
pub fn respond(
    gateway: &Gateway,
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: &RequestHead,
    below: &Below<'_>,
    (upstream, answer): (Upstream, hyper::Response<Incoming>),
) -> HttpResponse {
    let (parts, incoming) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let size = size(head, &parts, &incoming);
    let body = if incoming.is_end_stream() {
        // A body that is over is not asked for its parts.
        pool.keep(upstream);
        BoxBody::new(NoBody(size))
    } else {
        let (upstream, pool) = (Some(upstream), Rc::clone(pool));
        let (gateway, open) = (gateway.clone(), link.stream(Entry::Work));
        BoxBody::new(AppBody { incoming, upstream, pool, size, gateway, open, cut: None, broken: None })
    };
    let mut response = HttpResponse::with_body(status, body);
    gateway.ours().answer_of_app(parts.status, &parts.headers, below, response.headers_mut());
    if head.version < Version::HTTP_11 && size == BodySize::Stream {
        // Chunks are unknown there: the end of the connection is the end of the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// How long the answer's body is said to be. An answer to `HEAD` has no body, but may tell the length of one.
fn size(head: &RequestHead, parts: &http::response::Parts, incoming: &Incoming) -> BodySize {
    let told = || parts.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok();
    match (head.method == Method::HEAD, incoming.size_hint().exact()) {
        (true, _) if parts.headers.contains_key(http::header::TRANSFER_ENCODING) => BodySize::Stream,
        (true, _) => told().map_or(BodySize::None, BodySize::Sized),
        (false, Some(length)) => BodySize::Sized(length),
        (false, None) => BodySize::Stream,
    }
}

/// No body, and what is said of its length.
struct NoBody(BodySize);

impl MessageBody for NoBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// The body of an answer on its way to the browser; hands its connection back when it has ended.
struct AppBody {
    incoming: Incoming,
    upstream: Option<Upstream>,
    pool: Rc<Pool>,
    size: BodySize,
    gateway: Gateway,
    open: OpenStream,
    /// The person may no longer, or the server stops; made when the body is waited for.
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Why there will be no more.
    broken: Option<hyper::Error>,
}

impl AppBody {
    /// The next part; lets the connection work where none is there.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let mut driven = false;
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                    // Trailers, which nobody reads.
                    Err(_) => driven = false,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if driven => return Poll::Pending,
                Poll::Pending => {
                    driven = true;
                    if let Some(upstream) = &mut self.upstream
                        && upstream.drive(cx)
                    {
                        self.upstream = None;
                    }
                }
            }
        }
    }
}

impl MessageBody for AppBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        let part = match self.poll_part(cx) {
            Poll::Ready(part) => part,
            Poll::Pending => {
                let Self { cut, open, .. } = &mut *self;
                let cut = cut.get_or_insert_with(|| Box::pin(open.link().cut().cancelled_owned()));
                ready!(cut.as_mut().poll(cx));
                return Poll::Ready(Some(Err("cut off".into())));
            }
        };
        match part {
            Some(Ok(bytes)) => {
                self.gateway.count_bytes_to_browsers(bytes.len());
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => {
                // Later: what came before it is to be sent first.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                if let Some(upstream) = self.upstream.take() {
                    self.pool.keep(upstream);
                }
                Poll::Ready(None)
            }
        }
    }
}
