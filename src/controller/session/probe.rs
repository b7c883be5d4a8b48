//! Whether a program answers, asked the way the gateway reaches it.

use std::time::Duration;

use http_body_util::Empty;
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;

use crate::{
    crd::TemplateSpec,
    domain::{
        origins::Hosts,
        template::{self, View},
    },
    engine::{Connection, Engine, SessionId},
};

/// Longest wait for an answer; a slower program is asked again.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether the program behind the template's main port answers: an RFB greeting, any HTTP status below 500, or, for
/// programs that are neither, an open port.
pub(super) async fn answers(engine: &dyn Engine, hosts: &Hosts, session: &SessionId, spec: &TemplateSpec) -> bool {
    tokio::time::timeout(LIMIT, ask(engine, hosts, session, spec)).await.unwrap_or(false)
}

async fn ask(engine: &dyn Engine, hosts: &Hosts, session: &SessionId, spec: &TemplateSpec) -> bool {
    let Some(port) = template::main_port(spec) else { return false };
    let Ok(connection) = engine.dial(session, port).await else { return false };
    let is_web = spec.webapp.as_ref().is_some_and(|web| web.enabled);
    match template::view(spec) {
        View::Vnc => greets(connection, spec).await,
        View::Web if is_web => {
            let base_path = hosts.base_path(&session.0, port);
            speaks_http(connection, &template::asked_path(spec, &base_path, template::health_path(spec))).await
        }
        View::Web => true,
    }
}

async fn greets(mut connection: Box<dyn Connection>, spec: &TemplateSpec) -> bool {
    if spec.vnc.as_ref().is_some_and(|vnc| vnc.protocol != crate::crd::VncProtocol::Rfb) {
        return true;
    }
    let mut greeting = [0; 4];
    connection.read_exact(&mut greeting).await.is_ok() && &greeting == b"RFB "
}

async fn speaks_http(connection: Box<dyn Connection>, path: &str) -> bool {
    let Ok((mut sender, driver)) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await else {
        return false;
    };
    let request =
        Request::get(path).header("host", "localhost").header("connection", "close").body(Empty::<Bytes>::new());
    let Ok(request) = request else { return false };
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // A program that closes right after its answer ends the connection before the answer is picked up.
        _ = driver => answer.await,
    };
    answer.is_ok_and(|answer| answer.status().as_u16() < 500)
}
