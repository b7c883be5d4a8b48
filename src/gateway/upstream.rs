//! Connections to apps: hyper's client, driven by the very task that serves the request, kept for the next one.
//!
//! A connection has no task of its own: whoever waits for its answer polls it. That saves two switches between tasks
//! for each request, needs no channel for bodies, and leaves nothing behind when a request is given up.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_web::dev::Payload;
use bytes::Bytes;
use futures::Stream;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{
    App,
    engine::{Connection, EngineError, SessionId},
};

/// Longest wait for a connection to an app: one that is gone is to be told within a second.
const DIAL_WITHIN: Duration = Duration::from_millis(900);
/// Longest silence of an app before its answer begins, while nothing is sent to it either.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
/// An idle connection is closed after this; programs close theirs after 5 s and more.
const IDLE_FOR: Duration = Duration::from_secs(15);
/// Most idle connections to one port of one session.
const MOST_IDLE: usize = 32;
/// Most connections at once to one port of one session, streams and sockets included.
const MOST: usize = 512;
/// Most bytes of an answer that are held for a browser that does not read them.
const BUFFER_BYTES: usize = 64 * 1024;

/// A connection as the engine gives it.
pub type Io = TokioIo<Box<dyn Connection>>;

/// Why an app did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AwayError {
    /// There is no way to it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It takes no connection.
    #[error("the program takes no connection")]
    Dial,
    /// It is silent.
    #[error("the program did not answer within {} minutes", ANSWER_WITHIN.as_secs() / 60)]
    Silent,
    /// It hung up, or spoke something else than HTTP.
    #[error("the program did not answer in HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Too much at once.
    #[error("{MOST} connections to this program are open: close some windows")]
    Full,
}

/// The body of a request on its way to an app.
pub struct Outgoing {
    payload: Option<Payload>,
    /// Counts what was taken, so that a long upload is not mistaken for silence.
    taken: Rc<Cell<u64>>,
}

impl Outgoing {
    /// `payload`, or nothing.
    pub fn new(payload: Payload) -> Self {
        let payload = if matches!(payload, Payload::None) { None } else { Some(payload) };
        Self { payload, taken: Rc::default() }
    }

    /// Nothing.
    pub fn none() -> Self {
        Self::new(Payload::None)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = actix_web::error::PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(payload) = &mut self.payload else { return Poll::Ready(None) };
        let next = std::task::ready!(Pin::new(payload).poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            self.taken.set(self.taken.get() + bytes.len() as u64);
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.payload.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

/// One connection.
pub struct Upstream {
    sender: http1::SendRequest<Outgoing>,
    connection: http1::Connection<Io, Outgoing>,
    /// Counted among the connections of its port.
    place: Taken,
}

impl Upstream {
    /// Sends `request` and waits for the head of the answer.
    async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let Self { sender, connection, .. } = self;
        let mut answer = std::pin::pin!(sender.try_send_request(request));
        // The answer moves only when the connection is polled, which happens here: it needs no waker of its own.
        let mut quiet = Context::from_waker(Waker::noop());
        poll_fn(|cx| {
            // What it ends with is told to `answer`.
            let ended = connection.poll_without_shutdown(cx).is_ready();
            match answer.as_mut().poll(&mut quiet) {
                Poll::Pending if ended => answer.as_mut().poll(cx),
                other => other,
            }
        })
        .await
    }

    /// Lets the connection work; `true`: it has ended.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.poll_without_shutdown(cx).is_ready()
    }

    /// Whether another request may follow.
    fn is_idle(&mut self) -> bool {
        !self.drive(&mut Context::from_waker(Waker::noop())) && self.sender.is_ready()
    }

    /// The bare connection after a change of protocol, what was read of it already, and its place among the port's.
    pub fn into_parts(self) -> (Box<dyn Connection>, Bytes, Taken) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf, self.place)
    }
}

/// A place among the connections of one port, given back when dropped.
#[derive(Debug)]
pub struct Taken(Rc<Cell<usize>>);

impl Taken {
    fn take(count: &Rc<Cell<usize>>) -> Option<Self> {
        (count.get() < MOST).then(|| {
            count.set(count.get() + 1);
            Self(Rc::clone(count))
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The connections of one worker to one port of one run of a session.
pub struct Pool {
    session: SessionId,
    port: u16,
    idle: RefCell<Vec<(Upstream, Instant)>>,
    count: Rc<Cell<usize>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("session", &self.session).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty one.
    #[must_use]
    pub fn new(session: &str, port: u16) -> Self {
        Self { session: SessionId(session.to_owned()), port, idle: RefCell::default(), count: Rc::default() }
    }

    /// Sends a request, over a kept connection where there is one, and waits for the head of the answer.
    ///
    /// `again`: makes the same request once more, where it may be repeated: a program may close a kept connection
    /// while we write to it.
    ///
    /// # Errors
    /// [`AwayError`].
    pub async fn send(
        &self,
        app: &App,
        request: Request<Outgoing>,
        again: impl FnOnce() -> Option<Request<Outgoing>>,
    ) -> Result<(Upstream, Response<Incoming>), AwayError> {
        let mut request = request;
        if let Some(mut kept) = self.kept() {
            match kept.answer(request).await {
                Ok(answer) => return Ok((kept, answer)),
                Err((AwayError::Http(error), unsent)) => match unsent.or_else(again) {
                    Some(same) => request = same,
                    None => return Err(error.into()),
                },
                Err((error, _)) => return Err(error),
            }
        }
        let mut fresh = self.dial(app).await?;
        match fresh.answer(request).await {
            Ok(answer) => Ok((fresh, answer)),
            Err((error, _)) => Err(error),
        }
    }

    /// A connection that was kept and still stands, the youngest first.
    fn kept(&self) -> Option<Upstream> {
        loop {
            let (mut upstream, _) = self.idle.borrow_mut().pop()?;
            if upstream.is_idle() {
                return Some(upstream);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end, if another request may follow.
    pub fn keep(&self, mut upstream: Upstream) {
        if upstream.is_idle() && self.idle.borrow().len() < MOST_IDLE {
            self.idle.borrow_mut().push((upstream, Instant::now()));
        }
    }

    /// A bare connection, counted among the port's.
    ///
    /// # Errors
    /// [`AwayError`].
    pub async fn connect(&self, app: &App) -> Result<(Box<dyn Connection>, Taken), AwayError> {
        let place = Taken::take(&self.count).ok_or(AwayError::Full)?;
        let dial = app.engine.dial(&self.session, self.port);
        let connection = tokio::time::timeout(DIAL_WITHIN, dial).await.map_err(|_| AwayError::Dial)??;
        Ok((connection, place))
    }

    async fn dial(&self, app: &App) -> Result<Upstream, AwayError> {
        let (io, place) = self.connect(app).await?;
        let (sender, connection) = http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(io)).await?;
        Ok(Upstream { sender, connection, place })
    }

    /// Drops connections that were idle for long or have ended.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain_mut(|(upstream, since)| now - *since < IDLE_FOR && upstream.is_idle());
    }
}

impl Upstream {
    /// The head of the answer; on failure the request, where it was never sent.
    async fn answer(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, (AwayError, Option<Request<Outgoing>>)> {
        let taken = Rc::clone(&request.body().taken);
        let mut answer = std::pin::pin!(self.send(request));
        loop {
            let before = taken.get();
            match tokio::time::timeout(ANSWER_WITHIN, answer.as_mut()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(mut error)) => {
                    let unsent = error.take_message();
                    return Err((AwayError::Http(error.into_error()), unsent));
                }
                Err(_) if taken.get() == before => return Err((AwayError::Silent, None)),
                Err(_) => {}
            }
        }
    }
}
