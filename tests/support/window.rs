//! A window onto the app of the template `terminal`, as its page opens one.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes at the end of the screen that are searched.
const LOOKED_AT: usize = 256 * 1024;

/// A window, over whatever leads to the app.
pub struct Window<Line> {
    socket: WebSocketStream<Line>,
    screen: String,
}

impl<Line: AsyncRead + AsyncWrite + Unpin> Window<Line> {
    /// Opens one by `request`.
    pub async fn open(request: impl IntoClientRequest + Unpin, line: Line) -> Self {
        let opening = tokio_tungstenite::client_async(request, line);
        let (socket, _) = tokio::time::timeout(PATIENCE, opening).await.expect("in time").expect("a socket");
        Self { socket, screen: String::new() }
    }

    pub async fn type_in(&mut self, text: &str) {
        self.socket.send(Message::binary(text.as_bytes().to_vec())).await.expect("an open window");
    }

    pub async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("an open window");
    }

    /// Reads until the screen shows `text`.
    pub async fn shows(&mut self, text: &str) {
        let shown = async {
            while !self.screen.contains(text) {
                if let Message::Binary(bytes) = self.next().await {
                    self.screen.push_str(&String::from_utf8_lossy(&bytes));
                    let surplus = self.screen.len().saturating_sub(LOOKED_AT);
                    self.screen.drain(..self.screen.ceil_char_boundary(surplus));
                }
            }
        };
        let shown = tokio::time::timeout(PATIENCE, shown).await;
        assert!(shown.is_ok(), "no {text:?} on the screen: {:?}", self.screen);
    }

    /// Reads until it is told something of this kind.
    pub async fn told(&mut self, kind: &str) -> Value {
        let told = async {
            loop {
                if let Message::Text(text) = self.next().await {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == kind {
                        return message;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("it is told")
    }

    async fn next(&mut self) -> Message {
        self.socket.next().await.expect("an open window").expect("a message")
    }
}
