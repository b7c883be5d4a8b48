//! `AUTH_MODE=none`: whoever sits at this machine is the administrator, and nobody else is.

use serde_json::json;
use streamspace::{
    auth::{Auth, StartError},
    services::accounts,
};

use crate::support::{
    app::TestApp,
    client::{Client, send},
};

const ME: &str = "/api/v1/users/me";

/// A server without sign-in, with the account that the caller is.
async fn open() -> (TestApp, Client) {
    let app = TestApp::with(&["--auth-mode=none"]).await;
    assert!(accounts::first_link(&app.app.auth).await.expect("an account").is_none(), "there is nothing to sign in to");
    let anyone = app.anyone();
    (app, anyone)
}

async fn status(client: &Client, method: &str, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    let bare = client.bare(method, path);
    let request = headers.iter().fold(bare, |request, (name, value)| request.header(*name, *value));
    send(request).await.status
}

#[actix_web::test]
async fn the_caller_is_the_administrator() {
    let (_app, anyone) = open().await;
    let me = anyone.get(ME).await.json();
    assert_eq!((&me["name"], &me["roles"]), (&json!("admin"), &json!(["admin"])));
    assert_eq!(anyone.post("/api/v1/users", json!({ "name": "alice" })).await.status, 201);
    assert_eq!(anyone.post("/api/v1/auth/login", json!({ "username": "admin", "password": "x" })).await.status, 403);
    let audit = anyone.get("/api/v1/audit?action=user.create&actor=admin&target=user/alice").await.json();
    assert_eq!(audit["items"][0]["credential"], json!("none"));
}

#[actix_web::test]
async fn a_page_of_another_site_is_not_the_person() {
    let (_app, anyone) = open().await;
    let ours = anyone.base().to_owned();
    assert_eq!(status(&anyone, "GET", ME, &[("origin", &ours)]).await, 200);
    for foreign in ["https://evil.example", "null", "http://localhost:1", "http://abc.localhost"] {
        assert_eq!(status(&anyone, "GET", ME, &[("origin", foreign)]).await, 403, "{foreign}");
        assert_eq!(status(&anyone, "POST", "/api/v1/auth/logout", &[("origin", foreign)]).await, 403, "{foreign}");
        let bearer = [("origin", foreign), ("authorization", "Bearer x")];
        assert_eq!(status(&anyone, "GET", ME, &bearer).await, 403, "{foreign}");
    }
}

#[actix_web::test]
async fn where_no_origin_is_sent_the_browser_says_where_a_request_comes_from() {
    let (_app, anyone) = open().await;
    let site = |site: &'static str| [("sec-fetch-site", site), ("sec-fetch-mode", "cors")];
    assert_eq!(status(&anyone, "GET", ME, &site("same-origin")).await, 200, "our own page");
    assert_eq!(status(&anyone, "GET", ME, &site("none")).await, 200, "typed by the person");
    assert_eq!(status(&anyone, "GET", ME, &site("cross-site")).await, 403);
    assert_eq!(status(&anyone, "GET", ME, &site("same-site")).await, 403, "an app's page");
    let followed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(status(&anyone, "GET", ME, &followed).await, 200, "a link that the person followed");
    assert_eq!(status(&anyone, "POST", "/api/v1/auth/logout", &followed).await, 403, "a form is no link");
    assert_eq!(status(&anyone, "GET", ME, &[]).await, 200, "a program");
    assert_eq!(status(&anyone, "DELETE", "/api/v1/users/admin", &[]).await, 403);
}

#[actix_web::test]
async fn another_name_for_this_machine_and_a_proxy_get_nothing() {
    let (_app, anyone) = open().await;
    assert_eq!(status(&anyone, "GET", ME, &[("host", "localhost")]).await, 200);
    assert_ne!(status(&anyone, "GET", ME, &[("host", "rebound.example")]).await, 200);
    for header in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
        assert_eq!(status(&anyone, "GET", ME, &[(header, "127.0.0.1")]).await, 403, "{header}");
    }
}

#[actix_web::test]
async fn without_sign_in_the_server_starts_for_this_machine_alone() {
    let app = TestApp::start().await;
    let start = |arguments: &'static [&'static str]| {
        let config = app.configured(arguments);
        let (pool, clock) = (app.app.pool.clone(), app.clock.clone());
        async move { Auth::start(&config, std::path::Path::new("/nowhere"), pool, clock).await }
    };
    assert!(start(&["--auth-mode=none"]).await.is_ok());
    assert!(start(&["--auth-mode=none", "--api-host=::1"]).await.is_ok());
    assert!(start(&["--auth-mode=none", "--public-url=http://127.0.0.1:9000"]).await.is_ok());
    assert!(start(&["--api-host=0.0.0.0"]).await.is_ok());
    for strangers in [
        &["--auth-mode=none", "--api-host=0.0.0.0"][..],
        &["--auth-mode=none", "--api-host=192.0.2.1"],
        &["--auth-mode=none", "--api-host=::"],
        &["--auth-mode=none", "--public-url=https://streamspace.example.org"],
    ] {
        let refused = start(strangers).await;
        assert!(matches!(refused, Err(StartError::OpenToStrangers(_))), "{strangers:?}");
    }
}

#[actix_web::test]
async fn with_single_sign_on_alone_no_local_account_signs_in() {
    let app = TestApp::with(&["--auth-mode=saml"]).await;
    let login = json!({ "username": "admin", "password": "correct horse battery" });
    assert_eq!(app.anyone().post("/api/v1/auth/login", login).await.status, 403);
    assert_eq!(app.anyone().post("/api/v1/auth/link", json!({ "token": "x" })).await.status, 403);
    assert_eq!(app.first_link().await, None);
}
