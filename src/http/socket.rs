//! WebSockets at the edge: the handshake, and the body that carries a connection of the hub.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::ws;
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::Payload,
};
use bytes::Bytes;
use futures::Stream;
use tokio::net::TcpStream;

use crate::{
    Error,
    live::{Conversation, Drain, Line},
};

/// How frames reach the client of `request`: directly, unless there is TLS in between.
#[must_use]
pub fn line(request: &HttpRequest) -> Line {
    Line(request.conn_data::<Arc<TcpStream>>().cloned())
}

/// Whether `request` asks for a WebSocket, in a way that can be answered.
///
/// # Errors
/// [`Error::BadRequest`] saying what is missing.
pub fn check_handshake(request: &HttpRequest) -> Result<(), Error> {
    ws::verify_handshake(request.head())
        .map_err(|error| Error::BadRequest(format!("open this URL as a WebSocket: {error}")))
}

/// Switches to WebSocket frames: `drain` is the connection, `conversation` what its client is going to say.
#[must_use]
pub fn switch(request: &HttpRequest, payload: Payload, drain: Drain, conversation: Conversation) -> HttpResponse {
    let body = BoxBody::new(Body { drain, payload, conversation, hearing: true, open: true });
    match ws::handshake_response(request.head()).message_body(body) {
        Ok(response) => response.into(),
        Err(error) => HttpResponse::from_error(error),
    }
}

/// The response's body: reads frames of the client, and sends what cannot be sent directly.
struct Body {
    drain: Drain,
    payload: Payload,
    conversation: Conversation,
    /// Whether what the client says still counts.
    hearing: bool,
    /// Whether the client may still say something.
    open: bool,
}

impl Body {
    fn read(&mut self, cx: &mut Context<'_>) {
        while self.open {
            match Pin::new(&mut self.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) if self.hearing => self.hearing = self.conversation.hear(&bytes),
                // Read all the same: bytes that nobody reads would cut off the close frame on its way.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => {
                    self.open = false;
                    self.drain.socket().hung_up();
                }
                Poll::Pending => return,
            }
        }
    }
}

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        this.read(cx);
        this.drain.poll_bytes(cx).map(|bytes| bytes.map(Ok))
    }
}
