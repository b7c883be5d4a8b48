//! A window's connection: bytes of the terminal as binary messages both ways, everything else as JSON in text messages.

use std::{sync::Arc, time::Duration};

use actix_web::{Error, HttpRequest, HttpResponse, error::ErrorInternalServerError, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseReason, Closed, Session};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;

use super::shell::{Event, Shell, Size, View, Window};

/// A window that hears nothing for more than two of these knows that the connection is dead.
const BEAT: Duration = Duration::from_secs(15);
/// Largest message that a window may send; it sends long pastes in pieces.
const LARGEST_MESSAGE: usize = 256 * 1024;

/// What a window says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum FromWindow {
    Resize(Size),
    /// Start another shell.
    Again,
}

/// What a window is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum ToWindow {
    /// Clear the screen; the next `bytes` bytes were written earlier: draw them, but answer no question in them.
    Replay { bytes: usize, ended: Option<u32> },
    /// The grid, and whether this window answers for all.
    Layout { columns: u16, rows: u16, leads: bool },
    /// The shell ended.
    Ended { status: u32 },
    /// A new one began.
    Started,
    /// Still there.
    Beat,
}

/// `GET /shell?columns=80&rows=24`. The size comes with the address, so that a window that merely reconnects sends no
/// message of its own, which would count as the person's activity.
pub(super) async fn connect(
    request: HttpRequest,
    body: web::Payload,
    size: web::Query<Size>,
    shell: web::Data<Shell>,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let messages = messages.max_frame_size(LARGEST_MESSAGE).aggregate_continuations();
    let shell = shell.into_inner();
    let window = shell.open(size.into_inner()).map_err(ErrorInternalServerError)?;
    let connection = Connection { shell, window, session };
    #[allow(clippy::disallowed_methods, reason = "a connection of actix stays on its thread, and ends with it")]
    actix_web::rt::spawn(connection.serve(messages.max_continuation_size(LARGEST_MESSAGE)));
    Ok(response)
}

struct Connection {
    shell: Arc<Shell>,
    window: Window,
    session: Session,
}

impl Connection {
    async fn serve(mut self, mut messages: AggregatedMessageStream) {
        // However it ends, the window is gone.
        let reason = self.talk(&mut messages).await.unwrap_or(None);
        self.shell.close(self.window);
        let _ = self.session.close(reason).await;
    }

    async fn talk(&mut self, messages: &mut AggregatedMessageStream) -> Result<Option<CloseReason>, Closed> {
        let mut events = self.draw().await?;
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Ok(AggregatedMessage::Close(reason))) => return Ok(reason),
                    Some(Ok(message)) => self.hear(message).await?,
                    Some(Err(_)) | None => return Ok(None),
                },
                event = events.recv() => match event {
                    Ok(event) => self.tell(event).await?,
                    // Written faster than the window can take it: what is kept of it is drawn at once.
                    Err(RecvError::Lagged(_)) => events = self.draw().await?,
                    Err(RecvError::Closed) => return Ok(None),
                },
                _ = beat.tick() => self.say(&ToWindow::Beat).await?,
            }
        }
    }

    /// Draws everything anew.
    async fn draw(&mut self) -> Result<tokio::sync::broadcast::Receiver<Event>, Closed> {
        let View { events, scrollback, ended } = self.shell.view();
        self.tell(Event::Layout).await?;
        self.say(&ToWindow::Replay { bytes: scrollback.len(), ended }).await?;
        if !scrollback.is_empty() {
            self.session.binary(scrollback).await?;
        }
        Ok(events)
    }

    async fn tell(&mut self, event: Event) -> Result<(), Closed> {
        match event {
            Event::Output(bytes) => self.session.binary(bytes).await,
            Event::Layout => {
                let (Size { columns, rows }, leads) = self.shell.layout(self.window);
                self.say(&ToWindow::Layout { columns, rows, leads }).await
            }
            Event::Ended(status) => self.say(&ToWindow::Ended { status }).await,
            Event::Started => self.say(&ToWindow::Started).await,
        }
    }

    async fn say(&mut self, message: &ToWindow) -> Result<(), Closed> {
        self.session.text(serde_json::to_string(message).unwrap_or_default()).await
    }

    async fn hear(&mut self, message: AggregatedMessage) -> Result<(), Closed> {
        match message {
            AggregatedMessage::Binary(bytes) => self.shell.type_in(self.window, bytes).await,
            AggregatedMessage::Text(text) => match serde_json::from_str(&text) {
                Ok(FromWindow::Resize(size)) => self.shell.resize(self.window, size),
                Ok(FromWindow::Again) => {
                    if let Err(error) = self.shell.again() {
                        tracing::error!(%error, "the shell could not be started");
                    }
                }
                // A page of another version; what it means is not known.
                Err(_) => {}
            },
            AggregatedMessage::Ping(bytes) => return self.session.pong(&bytes).await,
            AggregatedMessage::Pong(_) | AggregatedMessage::Close(_) => {}
        }
        Ok(())
    }
}
