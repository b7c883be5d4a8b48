//! A person's client, and the server that it talks to.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::process::Command;

use crate::support::Server;

/// A client with a folder of its own, and its server.
pub struct Person {
    server: Server,
}

/// What a call of the client came to.
#[derive(Debug)]
pub struct Called {
    pub ok: bool,
    pub output: String,
    pub errors: String,
}

impl Called {
    /// What it wrote; it has to have succeeded.
    #[track_caller]
    pub fn said(&self) -> &str {
        assert!(self.ok, "{self:?}");
        &self.output
    }
}

impl Person {
    /// A person who is not signed in, at a server that asks who one is.
    pub async fn new(test: &str) -> Self {
        Self { server: Server::start_with(test, &[("AUTH_MODE", "hybrid")]).await }
    }

    /// Signs in with the link that the server printed.
    pub async fn sign_in(&self) {
        let link = self.server.link().await;
        let login = self.client(&["login", &link]);
        assert!(login.said().contains("signed in to"), "{login:?}");
    }

    /// Where the server listens: for people, and for machines.
    pub fn addresses(&self) -> [String; 2] {
        self.server.ports().map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Calls the client.
    pub fn client(&self, arguments: &[&str]) -> Called {
        let home = self.server.data().with_file_name("person");
        let program = env!("CARGO_BIN_EXE_streamspace");
        let output = Command::new(program).args(arguments).env("XDG_CONFIG_HOME", home).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Called { ok: output.status.success(), output: text(output.stdout), errors: text(output.stderr) }
    }
}
