//! The client's side of the feeds: a real WebSocket.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::client::Client;

/// Longest wait for a frame that has to come.
const SOON: Duration = Duration::from_secs(10);

/// An open feed.
pub struct Feed(WebSocketStream<TcpStream>);

impl Client {
    /// Opens a feed; the status where that is refused.
    pub async fn feed(&self, path: &str) -> Result<Feed, u16> {
        self.feed_through(path, TcpSocket::new_v4().unwrap()).await
    }

    /// Opens a feed through a socket of the test's own.
    pub async fn feed_through(&self, path: &str, socket: TcpSocket) -> Result<Feed, u16> {
        let mut request = format!("{}{path}", self.base().replacen("http:", "ws:", 1)).into_client_request().unwrap();
        for (name, value) in self.headers() {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let port = request.uri().port_u16().unwrap();
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        match timeout(SOON, client_async(request, stream)).await.expect("an answer") {
            Ok((socket, _)) => Ok(Feed(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

impl Feed {
    /// The next message.
    pub async fn next(&mut self) -> Value {
        match self.frame().await {
            Ok(message) => message,
            Err(close) => panic!("closed with {close:?} instead of a message"),
        }
    }

    /// The next message of that type; others before it are left out.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Code and reason with which the server closes; what comes before is left out.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(close) = self.frame().await {
                return close;
            }
        }
    }

    /// The next message, or how the server closes.
    pub async fn frame(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match timeout(SOON, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return Err((code.into(), reason.to_string()));
                }
                other => panic!("{other:?} instead of a frame"),
            }
        }
    }

    /// Whether there is nothing to read within `wait`.
    pub async fn is_silent(&mut self, wait: Duration) -> bool {
        timeout(wait, self.frame()).await.is_err()
    }

    /// Says something.
    pub async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends bytes that need not be a frame.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }
}
