//! The real server on a real port, for one test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::ServerHandle;
use clap::Parser;
use streamspace::{
    config::Config,
    http::{middleware::policy::Policy, server},
};

use super::client::Client;

/// A running server that ends with the value.
pub struct TestApp {
    address: SocketAddr,
    handle: ServerHandle,
}

impl TestApp {
    /// Starts a server of the test's own.
    pub async fn start() -> Self {
        let sockets = server::listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, "API_PORT").expect("a free port");
        let address = sockets[0].local_addr().expect("an address");
        let config = configuration(address, &[]);
        let policy = Policy::new(&config.http).expect("a configuration that can be used");
        let running = server::serve(sockets, None, policy).expect("the server starts");
        let handle = running.handle();
        streamspace::telemetry::task::spawn("test-server", running);
        Self { address, handle }
    }

    /// A client that is not signed in.
    pub fn anyone(&self) -> Client {
        Client::new(self.address)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // Sent at once; the future would only wait for the end.
        drop(self.handle.stop(false));
    }
}

/// The defaults for a server on `address`, changed by `arguments`.
fn configuration(address: SocketAddr, arguments: &[&str]) -> Config {
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        config: Config,
    }
    let port = format!("--api-port={}", address.port());
    Arguments::parse_from(["streamspace", &port].into_iter().chain(arguments.iter().copied())).config
}
