//! The local engine keeps what every engine promises.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use streamspace::engine::Engine;

use crate::{
    engine_contract::{Subject, engine_contract},
    support::Host,
};

/// An engine on this host.
struct Local(Host);

impl Local {
    async fn start() -> Self {
        Self(Host::start_with(|options| options.port_deadline = Duration::from_secs(8)).await)
    }
}

#[async_trait]
impl Subject for Local {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.0.engine)
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }

    fn image(&self) -> String {
        String::new()
    }

    fn counter(&self, port: u16) -> Vec<String> {
        let program = format!(
            "
import socket
listener = socket.create_server(('127.0.0.1', {port}))
count = 0
while True:
    connection, _ = listener.accept()
    count += 1
    connection.sendall(b'%d' % count)
    connection.close()
"
        );
        ["/usr/bin/python3", "-c", &program].map(str::to_owned).to_vec()
    }

    fn hungry(&self, mib: u32) -> Vec<String> {
        let program = format!("import signal; x = bytearray({mib} << 20); signal.pause()");
        ["/usr/bin/python3", "-c", &program].map(str::to_owned).to_vec()
    }

    fn knows_the_host(&self) -> bool {
        true
    }
}

engine_contract!(Local::start);
