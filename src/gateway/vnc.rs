//! The viewer's WebSocket: raw RFB in binary frames, between a browser and a VNC server.

use std::{cell::Cell, io, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, Session as Socket};
use bytes::{Bytes, BytesMut};
use futures::{Sink, SinkExt, Stream, StreamExt, stream::LocalBoxStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};
use tokio_util::{
    codec::{BytesCodec, FramedWrite},
    io::ReaderStream,
};

use super::{
    Gateway,
    rfb::{Rfb, RfbError, Rights},
};
use crate::{
    Error,
    crd::{Phase, Session, Template, VncProtocol},
    domain::template::{self, View},
    engine::{Connection, EngineError, SessionId},
    services::{
        presence::{Cause, Link, Use},
        rights::Entry,
    },
    telemetry::task,
};

/// The subprotocol that viewers ask for.
const SUBPROTOCOL: &str = "binary";
/// Longest wait for the VNC server to take the connection.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// Bytes read at once from the VNC server.
const READ_BYTES: usize = 32 * 1024;
/// Most bytes of one message of a viewer: a clipboard may be large.
const MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// How often a viewer is asked whether it is still there, and how long it may be silent.
const PING_EVERY: Duration = Duration::from_secs(30);
const SILENT_FOR: Duration = Duration::from_secs(75);

type FromServer = LocalBoxStream<'static, io::Result<Bytes>>;
type ToServer = Pin<Box<dyn Sink<Bytes, Error = io::Error>>>;

/// What is to be seen, and by whom.
#[derive(Debug)]
pub struct Viewing {
    /// The session.
    pub session: Arc<Session>,
    /// Its template.
    pub template: Arc<Template>,
    /// The person's connection.
    pub link: Arc<Link>,
    /// Whether they work in it or only look on.
    pub entry: Entry,
}

/// Opens the viewer's WebSocket.
///
/// # Errors
/// [`Error::Conflict`] for a session that is not seen this way or does not run, [`Error::BadRequest`] for a request that
/// asks for no WebSocket, [`Error::Engine`] where the VNC server takes no connection.
pub async fn open(
    gateway: &Gateway,
    view: Viewing,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let (from_server, to_server) = dial(gateway, &view.session, &view.template).await?;
    let opened = actix_ws::handle_with_protocols(request, payload, &[SUBPROTOCOL]);
    let (response, socket, messages) =
        opened.map_err(|error| Error::BadRequest(format!("open a WebSocket here: {error}")))?;
    let uid = view.session.metadata.uid.as_deref().unwrap_or_default();
    let bridge = Bridge {
        gateway: gateway.clone(),
        used: gateway.presence().used(&view.link.connection.session, uid),
        rfb: std::cell::RefCell::new(Rfb::new(Rights {
            clipboard: template::can(&view.template.spec, "Clipboard"),
            input: view.entry == Entry::Work,
        })),
        heard: Cell::new(Instant::now()),
    };
    let messages =
        messages.max_frame_size(MESSAGE_BYTES).aggregate_continuations().max_continuation_size(MESSAGE_BYTES);
    let (link, entry) = (view.link, view.entry);
    task::spawn_local("gateway-viewer", async move {
        let _open = link.stream(entry);
        let bridge = Rc::new(bridge);
        let end = tokio::select! {
            end = bridge.down(from_server, socket.clone()) => end,
            end = bridge.up(messages, to_server, socket.clone()) => end,
            end = bridge.watch(socket.clone()) => end,
            () = link.cut().cancelled_owned() => End::Cut,
        };
        // Its browser may be gone already.
        let _ = socket.close(Some(end.reason())).await;
    });
    Ok(response)
}

/// Connects to the VNC server of a running session.
async fn dial(gateway: &Gateway, session: &Session, template: &Template) -> Result<(FromServer, ToServer), Error> {
    let spec = &template.spec;
    let (Some(vnc), Some(port), View::Vnc) = (&spec.vnc, template::main_port(spec), template::view(spec)) else {
        return Err(Error::Conflict("this session has a page of its own: it is not seen through the viewer".into()));
    };
    let id = SessionId(session.metadata.name.clone().unwrap_or_default());
    if session.phase() != Phase::Running {
        return Err(Error::Engine(EngineError::NotRunning(id)));
    }
    let engine = &gateway.app().engine;
    let connect = async {
        let connection = engine.dial(&id, port).await?;
        match vnc.protocol {
            VncProtocol::Rfb => Ok(plain(connection)),
            VncProtocol::Websocket | VncProtocol::Kasmvnc => match socket(connection, port, Some(SUBPROTOCOL)).await {
                // Older servers insist on it, others do not know it.
                Err(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::SecWebSocketSubProtocolError(
                    _,
                ))) => socket(engine.dial(&id, port).await?, port, None).await,
                other => other,
            }
            .map_err(|error| unreachable(&id, port, io::Error::other(error))),
        }
    };
    match tokio::time::timeout(DIAL_WITHIN, connect).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(unreachable(&id, port, io::ErrorKind::TimedOut.into()).into()),
    }
}

fn unreachable(id: &SessionId, port: u16, source: io::Error) -> EngineError {
    EngineError::Unreachable { session: id.clone(), port, source }
}

fn plain(connection: Box<dyn Connection>) -> (FromServer, ToServer) {
    let (read, write) = tokio::io::split(connection);
    let to_server = FramedWrite::new(write, BytesCodec::new());
    (ReaderStream::with_capacity(read, READ_BYTES).boxed_local(), Box::pin(to_server))
}

/// A VNC server that itself speaks WebSocket.
async fn socket(
    connection: Box<dyn Connection>,
    port: u16,
    subprotocol: Option<&'static str>,
) -> Result<(FromServer, ToServer), tungstenite::Error> {
    let mut request = format!("ws://localhost:{port}/").into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", http::HeaderValue::from_static(subprotocol));
    }
    let (opened, _) = tokio_tungstenite::client_async(request, connection).await?;
    let (sink, stream) = opened.split();
    let from_server = stream.filter_map(|message| {
        std::future::ready(match message {
            Ok(tungstenite::Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        })
    });
    let to_server = sink
        .sink_map_err(io::Error::other)
        .with(|bytes: Bytes| std::future::ready(Ok::<_, io::Error>(tungstenite::Message::Binary(bytes))));
    Ok((from_server.boxed_local(), Box::pin(to_server)))
}

/// How a viewing ends.
enum End {
    /// The person closed the viewer, or is gone.
    Left,
    /// The VNC server hung up.
    HungUp,
    /// It cannot be carried on.
    Refused(RfbError),
    /// The person may no longer, or the server stops.
    Cut,
}

impl End {
    fn reason(&self) -> CloseReason {
        let (code, description) = match self {
            Self::Left => (CloseCode::Normal, None),
            Self::HungUp => (CloseCode::Again, Some("the program has hung up".to_owned())),
            Self::Refused(error) => (CloseCode::Policy, Some(error.to_string())),
            Self::Cut => (CloseCode::Away, None),
        };
        CloseReason { code, description }
    }
}

/// One viewer and its server.
struct Bridge {
    gateway: Gateway,
    used: Arc<Use>,
    rfb: std::cell::RefCell<Rfb>,
    /// When the browser last said anything.
    heard: Cell<Instant>,
}

impl Bridge {
    /// From the server to the viewer.
    async fn down(&self, mut from_server: FromServer, mut socket: Socket) -> End {
        while let Some(Ok(bytes)) = from_server.next().await {
            self.gateway.count_bytes_to_browsers(bytes.len());
            let passed = self.rfb.borrow_mut().pass_down(bytes);
            match passed {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    if socket.binary(bytes).await.is_err() {
                        return End::Left;
                    }
                }
                Err(error) => return End::Refused(error),
            }
        }
        End::HungUp
    }

    /// From the viewer to the server.
    async fn up(
        &self,
        mut messages: impl Stream<Item = Result<AggregatedMessage, actix_ws::ProtocolError>> + Unpin,
        mut to_server: ToServer,
        mut socket: Socket,
    ) -> End {
        while let Some(Ok(message)) = messages.next().await {
            self.heard.set(Instant::now());
            let bytes = match message {
                AggregatedMessage::Binary(bytes) => bytes,
                AggregatedMessage::Ping(bytes) => {
                    if socket.pong(&bytes).await.is_err() {
                        return End::Left;
                    }
                    continue;
                }
                AggregatedMessage::Close(_) => return End::Left,
                AggregatedMessage::Text(_) | AggregatedMessage::Pong(_) => continue,
            };
            self.gateway.count_bytes_to_apps(bytes.len());
            let mut passed = BytesMut::with_capacity(bytes.len());
            let inputs = self.rfb.borrow_mut().pass_up(&bytes, &mut passed);
            match inputs {
                Ok(0) => {}
                Ok(_) => self.gateway.note(&self.used, Cause::Viewer),
                Err(error) => return End::Refused(error),
            }
            if !passed.is_empty() && to_server.send(passed.freeze()).await.is_err() {
                return End::HungUp;
            }
        }
        End::Left
    }

    /// Ends when the browser has been silent for long, as one whose network is gone.
    async fn watch(&self, mut socket: Socket) -> End {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            if self.heard.get().elapsed() > SILENT_FOR || socket.ping(b"").await.is_err() {
                return End::Left;
            }
        }
    }
}
