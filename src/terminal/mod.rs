//! `streamspace terminal`: a shell in the browser, the app of the template `terminal`.
//!
//! It runs inside a session (a sandbox or a pod) and knows nothing of the server. Who may reach it is the gateway's
//! business. The shell belongs to the session, not to a connection: it lives on while nobody looks, and every window
//! shows the same one.

mod page;
mod scrollback;
mod shell;
mod socket;

use std::{io, net::IpAddr, sync::Arc};

use actix_web::{App, HttpServer, web};

use shell::Shell;

/// Where the terminal listens and what it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on.
    pub port: u16,
    /// The shell or other program that the terminal shows, with its arguments.
    pub program: Vec<String>,
}

/// Serves until SIGTERM; the shell is hung up then.
///
/// # Errors
/// If it cannot listen.
pub async fn serve(options: Options) -> io::Result<()> {
    let shell = web::Data::from(Arc::new(Shell::new(options.program)));
    let app = move || {
        App::new()
            .app_data(shell.clone())
            .route("/shell", web::get().to(socket::connect))
            .default_service(web::get().to(page::serve))
    };
    HttpServer::new(app).workers(1).shutdown_timeout(1).bind((options.host, options.port))?.run().await
}
