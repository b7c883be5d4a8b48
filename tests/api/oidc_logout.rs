//! Signing out at an OpenID Connect provider and here.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    idp::{CLIENT, Idp, Journey},
};

const ME: &str = "/api/v1/users/me";
const LOGOUT: &str = "/api/v1/auth/logout";

/// A browser of `subject`, whose sign-in the provider calls `session`.
async fn browser(idp: &Idp, app: &TestApp, subject: &str, session: &str) -> Client {
    idp.browser(app, subject, &json!({ "sid": session })).await
}

async fn is_in(client: &Client) -> bool {
    client.get(ME).await.status == 200
}

/// What the server says to a token with which the provider signs somebody out.
async fn told(app: &TestApp, token: &str) -> Answer {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    let request = app.anyone().bare("POST", "/api/v1/auth/oidc/back-channel-logout");
    send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

#[actix_web::test]
async fn who_signs_out_here_is_led_to_the_provider_which_knows_the_sign_in_again() {
    let idp = Idp::start().await;
    idp.signs_out();
    let app = idp.app(&[]).await;
    let journey = Journey::begin(&app.anyone(), "/").await;
    let token = idp.sign(&idp.header(), &idp.claims(&app, &journey, "alice", &json!({})));
    let answer = journey.end(&app.anyone(), &idp.code(&journey, token.clone())).await;
    let first = app.anyone().browser(&answer.cookie().expect("a cookie"));
    let second = browser(&idp, &app, "alice", "2").await;
    let answer = first.post(LOGOUT, json!({})).await;
    let url: url::Url = answer.json()["location"].as_str().expect("an address").parse().expect("an address");
    assert_eq!((answer.status, url.path()), (200, "/sign-out"));
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let back = format!("{}/sign-in", app.anyone().base());
    let expected = [("tenant", "x"), ("id_token_hint", &token), ("client_id", CLIENT)];
    let expected = expected.into_iter().chain([("post_logout_redirect_uri", back.as_str())]);
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    assert!(!is_in(&first).await && is_in(&second).await);
}

#[actix_web::test]
async fn who_came_in_otherwise_is_led_nowhere() {
    let idp = Idp::start().await;
    idp.signs_out();
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    assert_eq!(admin.post(LOGOUT, json!({})).await.status, 204);
    assert!(!is_in(&admin).await);
}

#[actix_web::test]
async fn who_signs_out_there_is_signed_out_here_from_that_sign_in_or_from_all() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    let (one, two) = (browser(&idp, &app, "alice", "1").await, browser(&idp, &app, "alice", "2").await);
    let other = browser(&idp, &app, "bob", "1").await;
    // Both names for what such a token is are in use.
    let leaving = |session, kind: &str| {
        let mut header = idp.header();
        header["typ"] = kind.into();
        idp.sign(&header, &idp.leaving(&app, "alice", session, &json!({})))
    };
    let answer = told(&app, &leaving(Some("1"), "logout+jwt")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (204, "no-store"), "{answer:?}");
    assert!(!is_in(&one).await && is_in(&two).await && is_in(&other).await);
    assert_eq!(told(&app, &leaving(None, "JWT")).await.status, 204);
    assert!(!is_in(&two).await && is_in(&other).await, "the control is somebody else");
    let entries = admin.get("/api/v1/audit?search=sign-out").await.json();
    assert_eq!(entries["items"][0]["after"]["asked-by"], json!(idp.issuer()), "{entries}");
}

#[actix_web::test]
async fn a_word_that_names_the_sign_in_alone_ends_that_one() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let (one, two) = (browser(&idp, &app, "alice", "1").await, browser(&idp, &app, "alice", "2").await);
    // Neither whom it names nor an end has to be in it; nor a key, where the provider has but one.
    let (mut claims, mut header) = (idp.leaving(&app, "alice", Some("1"), &json!({})), idp.header());
    for (part, names) in [(&mut claims, &["sub", "exp"][..]), (&mut header, &["kid"])] {
        for name in names {
            part.as_object_mut().expect("an object").remove(*name).expect("it is there");
        }
    }
    assert_eq!(told(&app, &idp.sign(&header, &claims)).await.status, 204);
    assert!(!is_in(&one).await && is_in(&two).await);
}

#[actix_web::test]
async fn a_word_that_the_provider_did_not_give_for_this_signs_nobody_out() {
    let (idp, stranger) = (Idp::start().await, Idp::start().await);
    let app = idp.app(&[]).await;
    let alice = browser(&idp, &app, "alice", "1").await;
    let now = app.app.clock.now().as_second();
    let with = |more: Value| idp.sign(&idp.header(), &idp.leaving(&app, "alice", None, &more));
    let event = |name: &str, value: Value| json!({ "events": { name: value } });
    let mut elsewhere = idp.header();
    elsewhere["typ"] = "at+jwt".into();
    let this = "http://schemas.openid.net/event/backchannel-logout";
    for (why, token) in [
        ("nothing", String::new()),
        ("another's signature", stranger.sign(&idp.header(), &idp.leaving(&app, "alice", None, &json!({})))),
        ("another issuer", with(json!({ "iss": stranger.issuer() }))),
        ("for another client", with(json!({ "aud": "another" }))),
        ("for another client as well", with(json!({ "aud": [CLIENT, "another"] }))),
        ("without an event", with(json!({ "events": null }))),
        ("another event", with(event("http://schemas.openid.net/event/x", json!({})))),
        ("an event that is none", with(event(this, json!(true)))),
        ("a proof of a sign-in", with(json!({ "nonce": "x" }))),
        ("without an id", with(json!({ "jti": null }))),
        ("about nobody", with(json!({ "sub": null }))),
        ("about a sign-in that cannot be read", with(json!({ "sid": 1 }))),
        ("for something else", idp.sign(&elsewhere, &idp.leaving(&app, "alice", None, &json!({})))),
        ("over", with(json!({ "exp": now - 61 }))),
        ("old", with(json!({ "iat": now - 361, "exp": now + 3_600 }))),
        ("of the future", with(json!({ "iat": now + 120 }))),
    ] {
        let answer = told(&app, &token).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid".to_owned()), "{why}: {answer:?}");
        assert!(is_in(&alice).await, "{why}");
    }
    let good = with(json!({}));
    assert_eq!(told(&app, &good).await.status, 204, "the control");
    let again = browser(&idp, &app, "alice", "2").await;
    assert_eq!(told(&app, &good).await.status, 400, "a second time");
    assert!(is_in(&again).await);
}
