//! People who are signed in.

use std::{collections::BTreeSet, path::Path, time::Duration};

use secrecy::ExposeSecret;
use serde_json::json;
use streamspace::{
    auth::{Auth, Caller, Credential, Role},
    services::accounts::{self, NewUser},
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use super::{app::TestApp, client::Client, until::within};

/// The password of every person that [`TestApp::person`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// Longest wait for something that happens by itself.
const WITHIN: Duration = Duration::from_secs(10);

/// The command line of the server's host.
pub fn console() -> Caller {
    Caller::new("console", [Role::Admin], Credential::Console)
}

impl TestApp {
    /// The secret of a fresh link of the first administrator; none once somebody signed in.
    pub async fn first_link(&self) -> Option<String> {
        let link = accounts::first_link(&self.app.auth).await.expect("the database answers");
        link.map(|link| link.secret.expose_secret().to_owned())
    }

    /// The first administrator, signed in by the link.
    pub async fn administrator(&self) -> Client {
        let link = self.first_link().await.expect("nobody signed in yet");
        self.redeem(&link).await
    }

    /// An account with roles and [`PASSWORD`], signed in in a browser.
    pub async fn person(&self, name: &str, roles: &[Role]) -> Client {
        let new = NewUser {
            name: name.to_owned(),
            display_name: String::new(),
            email: None,
            roles: roles.iter().copied().collect::<BTreeSet<_>>(),
        };
        let (_, link) = accounts::create(&self.app.auth, &console(), new).await.expect("a new account");
        self.redeem(link.secret.expose_secret()).await
    }

    /// A program of a new person with `role`: the client shows an API token that is good for a year.
    pub async fn program(&self, name: &str, role: Role) -> Client {
        let person = self.person(name, &[role]).await;
        let made = person.post("/api/v1/tokens", json!({ "name": "test", "expiresIn": "8760h" })).await;
        assert_eq!(made.status, 201, "{made:?}");
        self.anyone().bearer(made.json()["token"].as_str().expect("a token"))
    }

    /// Whoever `link` belongs to, signed in in a browser, with [`PASSWORD`] from now on.
    pub async fn redeem(&self, link: &str) -> Client {
        let anyone = self.anyone();
        let answer = anyone.post("/api/v1/auth/link", json!({ "token": link, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        anyone.browser(&answer.cookie().expect("a cookie"))
    }

    /// Signs in with name and password in another browser.
    pub async fn sign_in(&self, name: &str, password: &str) -> super::client::Answer {
        self.anyone().post("/api/v1/auth/login", json!({ "username": name, "password": password })).await
    }
}

/// What another process on the same database knows of people.
pub struct Replica {
    auth: Auth,
    // Ends with the value.
    _tasks: Tasks,
}

impl std::ops::Deref for Replica {
    type Target = Auth;

    fn deref(&self) -> &Auth {
        &self.auth
    }
}

impl TestApp {
    /// Another process on the same database, with a memory of its own.
    pub async fn replica(&self) -> Replica {
        let (app, mut tasks) = (&self.app, Tasks::new(CancellationToken::new()));
        let auth = Auth::start(&app.config, Path::new("/nowhere"), app.pool.clone(), self.clock.clone()).await;
        let auth = auth.expect("the keys of the first process");
        auth.keep(self.connector(), &mut tasks);
        Replica { auth, _tasks: tasks }
    }
}

/// Waits until `condition` holds, at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    within(WITHIN, what, async || condition().await.then_some(())).await;
}
