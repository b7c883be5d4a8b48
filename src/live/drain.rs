//! The body of a connection's response: what is left to send when the kernel did not take it at once.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use super::{hub::Hub, socket::Socket, wire::Step};

/// Drains one connection's outbox. The connection is gone when this is.
#[derive(Debug)]
pub struct Drain {
    hub: Hub,
    socket: Arc<Socket>,
    first: bool,
}

impl Drain {
    /// The drain of `socket`.
    #[must_use]
    pub const fn new(hub: Hub, socket: Arc<Socket>) -> Self {
        Self { hub, socket, first: true }
    }

    /// The connection.
    #[must_use]
    pub const fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// The hub it belongs to.
    #[must_use]
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The next bytes that have to go through the body; `None`: the connection ends.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let first = std::mem::take(&mut self.first);
        loop {
            match self.socket.step(cx.waker(), first) {
                None => return Poll::Ready(None),
                Some(Step::Bytes(bytes)) => return Poll::Ready(Some(bytes)),
                Some(Step::Idle) => return Poll::Pending,
                // The kernel took no more, which the stream has noted: it is ready again when the kernel takes more.
                Some(Step::Blocked(stream)) => {
                    if ready!(stream.poll_write_ready(cx)).is_err() {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.hub.gone(&self.socket);
    }
}
