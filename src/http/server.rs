//! Listening and serving: sockets, TLS, the stack that every request passes.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Request, error::DispatchError};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::{
    App as Actix, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Response, Server, ServiceFactory, fn_service},
    middleware::{Condition, from_fn},
    web,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_util::sync::CancellationToken;

use super::{
    health::Readiness,
    line::TcpLine,
    management,
    middleware::{self, policy::Policy},
    routes,
};
use crate::{
    app::App,
    config::{self, Role},
    gateway::{Front, Gateway},
    services::idempotency::Keys,
};

/// Longest wait for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may lie idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client gets to take its leave once it was told that the connection ends.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long requests in flight get when the server stops, in seconds.
const GRACE_S: u64 = 10;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("port {port} on {address} is taken: stop what listens there, or choose another with {variable}")]
    Taken {
        /// The port.
        port: u16,
        /// The address.
        address: IpAddr,
        /// The setting that chooses the port.
        variable: &'static str,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A TLS file cannot be used.
    #[error("{variable}={}: {reason}", .path.display())]
    Tls {
        /// The setting that names the file.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Sockets on `host`; for an IPv4 loopback address on `::1` too, where the machine has IPv6, since browsers may
/// resolve `localhost` to either. Port 0 takes a free one.
///
/// # Errors
/// [`ListenError`] with the setting that mends it.
pub fn listen(host: IpAddr, port: u16, variable: &'static str) -> Result<Vec<TcpListener>, ListenError> {
    let first = bind(host, port, variable)?;
    let port = first.local_addr().map_or(port, |address| address.port());
    let mut sockets = vec![first];
    if host == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        match bind(Ipv6Addr::LOCALHOST.into(), port, variable) {
            Ok(second) => sockets.push(second),
            Err(error @ ListenError::Taken { .. }) => return Err(error),
            Err(error) => tracing::debug!(error = %error, "no IPv6 loopback here"),
        }
    }
    Ok(sockets)
}

fn bind(host: IpAddr, port: u16, variable: &'static str) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { port, address: host, variable },
        _ => ListenError::Refused { address, source },
    })
}

/// What the TLS files hold; `None` where none are configured.
///
/// # Errors
/// [`ListenError::Tls`] naming the file.
pub fn tls(config: &config::Http) -> Result<Option<rustls::ServerConfig>, ListenError> {
    let (Some(cert), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) else { return Ok(None) };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| tls_error("TLS_CERT_FILE", cert, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| tls_error("TLS_KEY_FILE", key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map(Some)
        .map_err(|error| tls_error("TLS_CERT_FILE", cert, &error))
}

fn tls_error(variable: &'static str, path: &Path, reason: &dyn fmt::Display) -> ListenError {
    ListenError::Tls { variable, path: path.to_owned(), reason: reason.to_string() }
}

/// What the handlers are given. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The parts of the server.
    pub app: App,
    /// What requests are measured by.
    pub policy: Arc<Policy>,
    /// Requests that are executed once.
    pub keys: Keys,
    /// The way to apps.
    pub gateway: Gateway,
    /// Fires when the server begins to stop.
    pub stopping: CancellationToken,
}

impl Wiring {
    fn data(&self, cfg: &mut web::ServiceConfig) {
        cfg.app_data(web::Data::new(self.app.clone()))
            .app_data(web::Data::new(self.app.auth.clone()))
            .app_data(web::Data::from(Arc::clone(&self.policy)))
            .app_data(web::Data::new(self.keys.clone()))
            .app_data(web::Data::new(self.gateway.clone()))
            .app_data(web::Data::new(Readiness::new(self.app.clone(), self.stopping.clone())));
    }
}

/// Serves what people use on `sockets`, as far as the process has the roles for it. Runs when the returned future is polled; its handle stops it.
///
/// # Errors
/// What the sockets answer.
pub fn serve(sockets: Vec<TcpListener>, tls: Option<&rustls::ServerConfig>, wiring: &Wiring) -> io::Result<Server> {
    let wiring = wiring.clone();
    let roles = &wiring.app.config.roles;
    let routes = if roles.has(Role::Api) { routes::configure } else { routes::configure_gateway };
    let api = move || web::scope("").wrap(from_fn(middleware::around)).configure(routes);
    let (leads_to_apps, front) = (roles.has(Role::Gateway), Front(wiring.gateway.clone()));
    let stack = move || {
        let pages = Actix::new().configure(|cfg| wiring.data(cfg)).service(api());
        pages.wrap(from_fn(middleware::older::rename)).wrap(Condition::new(leads_to_apps, front.clone()))
    };
    let Some(tls) = tls else { return serve_plainly(sockets, stack) };
    let mut server = HttpServer::new(stack)
        .client_request_timeout(HEAD_WITHIN)
        .client_disconnect_timeout(LEAVE_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(GRACE_S)
        .disable_signals();
    for socket in sockets {
        server = server.listen_rustls_0_23(socket, tls.clone())?;
    }
    Ok(server.run())
}

/// What [`HttpServer`] does without TLS, except that the feeds reach the connections themselves.
fn serve_plainly<F, I, S, B>(sockets: Vec<TcpListener>, stack: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let mut server = Server::build().shutdown_timeout(GRACE_S).disable_signals();
    let stopping = server.graceful_shutdown_signal();
    for socket in sockets {
        let (stack, stopping) = (stack.clone(), stopping.clone());
        let name = format!("http-{}", socket.local_addr()?);
        server = server.listen(name, socket, move || {
            let stopping = stopping.clone();
            let stack = stack().into_factory().map_err(|error| error.into().error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .client_request_timeout(HEAD_WITHIN)
                .client_disconnect_timeout(LEAVE_WITHIN)
                .keep_alive(KEEP_ALIVE)
                .on_connect_ext(|line: &TcpLine, data| line.introduce(data))
                .h1(map_config(stack, |()| AppConfig::default()));
            fn_service(|stream| async { Ok::<_, DispatchError>(TcpLine::over(stream)) }).and_then(http)
        })?;
    }
    Ok(server.run())
}

/// Serves metrics and probes on `sockets`, for machines and not for people.
///
/// # Errors
/// What the sockets answer.
pub fn serve_management(sockets: Vec<TcpListener>, wiring: &Wiring) -> io::Result<Server> {
    let wiring = wiring.clone();
    let mut server =
        HttpServer::new(move || Actix::new().configure(|cfg| wiring.data(cfg)).configure(management::configure))
            .workers(1)
            .client_request_timeout(HEAD_WITHIN)
            .shutdown_timeout(1)
            .disable_signals();
    for socket in sockets {
        server = server.listen(socket)?;
    }
    Ok(server.run())
}
