//! A WebSocket between the browser and the app: its bytes both ways, as they are.
//!
//! What the browser sends goes through a task of its own, so that a browser that is slow to read is heard all the
//! same: Ctrl-C must pass while a terminal is busy writing.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    dev::{Payload, RequestHead},
    http::StatusCode,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    sync::oneshot,
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Gateway,
    frames::Frames,
    headers::Below,
    http::{ForwardError, request, respond},
    route::{Route, Web},
    upstream::{Outgoing, Taken},
};
use crate::{
    engine::Connection,
    services::{
        presence::{Cause, Link, OpenStream},
        rights::Entry,
    },
    telemetry::task,
};

/// Bytes read at once from an app that says little, and from one that says much.
const READ_LITTLE: usize = 4 * 1024;
const READ_MUCH: usize = 64 * 1024;

/// Whether a request asks for a WebSocket: what actix takes for one, and hands through.
pub fn asked(head: &RequestHead) -> bool {
    let upgrade = head.headers.get("upgrade").map(|value| value.as_bytes().trim_ascii());
    head.upgrade() && upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

/// Opens the tunnel, or answers what the app answers instead.
///
/// # Errors
/// [`ForwardError`] where the app answers nothing.
pub async fn open(
    gateway: &Gateway,
    route: &Route,
    web: &Web,
    link: &Arc<Link>,
    head: &RequestHead,
    below: &Below<'_>,
    payload: Payload,
) -> Result<HttpResponse, ForwardError> {
    let first = request(gateway, head, below, true, Outgoing::none())?;
    let again = || request(gateway, head, below, true, Outgoing::none()).ok();
    let (upstream, answer) = web.pool.send(gateway.app(), first, again).await?;
    if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Ok(respond(gateway, &web.pool, link, head, below, (upstream, answer)));
    }
    let agreed = answer.headers().get(http::header::UPGRADE).map(|value| value.as_bytes().trim_ascii());
    if !agreed.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
        return Err(ForwardError::Answer("another protocol than a WebSocket"));
    }
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS).upgrade("websocket").finish();
    gateway.ours().answer_of_app(answer.status(), answer.headers(), below, response.headers_mut());
    let (connection, begun, place) = upstream.into_parts();
    let (from_app, to_app) = tokio::io::split(connection);
    let (gone, browser_gone) = oneshot::channel();
    let counts = !route.ignores(below.inner(head.uri.path()));
    let heard = Heard { gateway: gateway.clone(), route: counts.then(|| route.used()), frames: Frames::default() };
    task::spawn_local("gateway-tunnel", upload(payload, to_app, heard, gone));
    let body = TunnelBody {
        from_app,
        begun: Some(begun).filter(|bytes| !bytes.is_empty()),
        buffer: BytesMut::new(),
        want: READ_LITTLE,
        browser_gone,
        cut: Box::pin(link.cut().cancelled_owned()),
        gateway: gateway.clone(),
        _open: link.stream(Entry::Work),
        _place: place,
    };
    Ok(response.set_body(body.boxed()))
}

/// What is made of the browser's bytes on their way.
struct Heard {
    gateway: Gateway,
    /// `None`: what is said here does not count as activity.
    route: Option<Arc<crate::services::presence::Use>>,
    frames: Frames,
}

impl Heard {
    fn take(&mut self, bytes: &[u8]) {
        self.gateway.count_bytes_to_apps(bytes.len());
        let data = self.frames.feed(bytes);
        if let Some(used) = self.route.as_ref().filter(|_| data > 0) {
            self.gateway.note(used, Cause::Data);
        }
    }
}

/// Carries the browser's bytes to the app until either has gone.
async fn upload(
    mut payload: Payload,
    mut to_app: WriteHalf<Box<dyn Connection>>,
    mut heard: Heard,
    gone: oneshot::Sender<()>,
) {
    while let Some(Ok(bytes)) = payload.next().await {
        heard.take(&bytes);
        if to_app.write_all(&bytes).await.is_err() {
            break;
        }
    }
    // The app may be gone already, and the answer with it.
    let _ = to_app.shutdown().await;
    let _ = gone.send(());
}

/// The app's bytes on their way to the browser.
struct TunnelBody {
    from_app: ReadHalf<Box<dyn Connection>>,
    /// What the app sent right behind its answer.
    begun: Option<Bytes>,
    buffer: BytesMut,
    /// How much is read at once.
    want: usize,
    browser_gone: oneshot::Receiver<()>,
    /// The person may no longer, or the server stops.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    gateway: Gateway,
    _open: OpenStream,
    _place: Taken,
}

impl MessageBody for TunnelBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        if this.cut.as_mut().poll(cx).is_ready() || Pin::new(&mut this.browser_gone).poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let bytes = match this.begun.take() {
            Some(bytes) => bytes,
            None => ready!(this.poll_read(cx))?,
        };
        if bytes.is_empty() {
            return Poll::Ready(None);
        }
        this.gateway.count_bytes_to_browsers(bytes.len());
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl TunnelBody {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Bytes>> {
        if self.buffer.capacity() < self.want {
            self.buffer.reserve(self.want);
        }
        let read = match tokio_util::io::poll_read_buf(Pin::new(&mut self.from_app), cx, &mut self.buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                // A silent socket holds no memory.
                self.buffer = BytesMut::new();
                return Poll::Pending;
            }
        };
        self.want = if read >= self.want { READ_MUCH } else { self.want };
        Poll::Ready(Ok(self.buffer.split_to(read).freeze()))
    }
}
