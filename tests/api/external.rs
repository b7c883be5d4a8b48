//! Tokens of another issuer, and what must not get through.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{app::TestApp, client::Client, idp::Idp, people::until};

const ME: &str = "/api/v1/users/me";
const AUDIENCE: &str = "streamspace-programs";

/// A server that takes tokens of `idp`, with an account `ci` that has the identity `robot` there; its administrator.
async fn world(idp: &Idp) -> (TestApp, Client) {
    let jwks = format!("--jwt-jwks-url={}/jwks", idp.issuer());
    let app = TestApp::with(&[&format!("--jwt-issuer={}", idp.issuer()), &jwks, "--jwt-audience", AUDIENCE]).await;
    let admin = app.administrator().await;
    app.person("ci", &[Role::User]).await;
    let identity = json!({ "issuer": idp.issuer(), "subject": "robot" });
    let joined = admin.post("/api/v1/users/ci/identities", identity).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    (app, admin)
}

/// The claims of a token that is right.
fn claims(idp: &Idp, app: &TestApp) -> Value {
    let now = app.app.clock.now().as_second();
    json!({ "iss": idp.issuer(), "aud": AUDIENCE, "sub": "robot", "iat": now, "exp": now + 300 })
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.anyone().bearer(token).get(ME).await.status
}

#[actix_web::test]
async fn a_token_of_the_issuer_stands_for_the_account_that_has_the_identity_and_no_other() {
    let idp = Idp::start().await;
    let (app, admin) = world(&idp).await;
    let token = idp.sign(&idp.header(), &claims(&idp, &app));
    let robot = app.anyone().bearer(&token);
    assert_eq!(robot.get(ME).await.json()["name"], "ci");
    let mut other = claims(&idp, &app);
    other["sub"] = json!("ci");
    assert_eq!(status(&app, &idp.sign(&idp.header(), &other)).await, 401, "an account's name is no subject");
    assert_eq!(admin.patch("/api/v1/users/ci", json!({ "disabled": true })).await.status, 200);
    assert_eq!(robot.get(ME).await.status, 401);
    assert_eq!(admin.patch("/api/v1/users/ci", json!({ "disabled": false })).await.status, 200);
    assert_eq!(robot.get(ME).await.status, 200);
    let identities = admin.get("/api/v1/users/ci/identities").await.json()["items"].clone();
    let id = identities[0]["id"].as_str().expect("an id");
    assert_eq!(admin.delete(&format!("/api/v1/users/ci/identities/{id}")).await.status, 204);
    until("the identity is nobody's", async || robot.get(ME).await.status == 401).await;
}

#[actix_web::test]
async fn a_token_whose_claims_or_header_are_not_right_is_nobodys() {
    let idp = Idp::start().await;
    let (app, _) = world(&idp).await;
    let now = app.app.clock.now().as_second();
    let with = |mut object: Value, name: &str, value: &Value| {
        object[name] = value.clone();
        object
    };
    for (name, value) in [
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example")),
        ("exp", json!(now - 61)),
        ("exp", json!("soon")),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
        ("sub", Value::Null),
        ("sub", json!(7)),
    ] {
        let token = idp.sign(&idp.header(), &with(claims(&idp, &app), name, &value));
        assert_eq!(status(&app, &token).await, 401, "{name} {value}");
    }
    for (name, value) in [
        ("kid", json!("foreign")),
        ("kid", Value::Null),
        ("typ", json!("streamspace-token+jwt")),
        ("typ", json!("logout+jwt")),
        ("alg", json!("ES256")),
        ("crit", json!(["exp"])),
    ] {
        let token = idp.sign(&with(idp.header(), name, &value), &claims(&idp, &app));
        assert_eq!(status(&app, &token).await, 401, "{name} {value}");
    }
    assert_eq!(status(&app, &idp.sign(&idp.header(), &claims(&idp, &app))).await, 200, "the control");
}

#[actix_web::test]
async fn a_token_that_the_issuer_did_not_sign_is_nobodys() {
    let idp = Idp::start().await;
    let (app, _) = world(&idp).await;
    let stranger = Idp::start().await;
    let claims = claims(&idp, &app);
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |name: &str, value: Value| {
        let mut header = idp.header();
        header[name] = value;
        header
    };
    let unsigned = format!("{}.{}.", text(&with("alg", json!("none"))), text(&claims));
    assert_eq!(status(&app, &unsigned).await, 401, "none");
    let message = format!("{}.{}", text(&with("alg", json!("HS256"))), text(&claims));
    let key = EncodingKey::from_secret(&idp.public_key());
    let confused = format!("{message}.{}", sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature"));
    assert_eq!(status(&app, &confused).await, 401, "its public key taken for a secret");
    assert_eq!(status(&app, &stranger.sign(&idp.header(), &claims)).await, 401, "another's signature");
    let jku = with("jku", json!(format!("{}/jwks", stranger.issuer())));
    assert_eq!(status(&app, &stranger.sign(&jku, &claims)).await, 401, "keys from where the token says");
    assert_eq!(status(&app, &idp.sign(&idp.header(), &claims)).await, 200, "the control");
}

#[actix_web::test]
async fn the_issuers_next_key_is_known_and_an_issuer_that_is_away_is_asked_again() {
    let idp = Idp::start().await;
    let (app, _) = world(&idp).await;
    idp.away(true);
    let token = idp.sign(&idp.header(), &claims(&idp, &app));
    assert_eq!(status(&app, &token).await, 503, "who it is cannot be told now");
    idp.away(false);
    until("its keys are read", async || status(&app, &token).await == 200).await;
    idp.roll_key();
    let next = idp.sign(&idp.header(), &claims(&idp, &app));
    until("its next key is read", async || status(&app, &next).await == 200).await;
}

#[actix_web::test]
async fn an_identity_that_is_joined_to_another_account_brings_its_person_there() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    let alice = app.person("alice", &[Role::User]).await;
    let said = json!({ "preferred_username": "alice" });
    let second = idp.browser(&app, "subject-1", &said).await;
    assert_eq!(second.get(ME).await.json()["name"], "alice-2");
    let identity = json!({ "issuer": idp.issuer(), "subject": "subject-1" });
    assert_eq!(
        alice.post("/api/v1/users/alice/identities", identity.clone()).await.status,
        403,
        "nobody joins themselves"
    );
    assert_eq!(admin.post("/api/v1/users/alice/identities", identity.clone()).await.status, 201);
    assert_eq!(admin.post("/api/v1/users/alice/identities", identity).await.status, 409);
    assert_eq!(admin.get("/api/v1/users/alice-2").await.json()["mappedRoles"], json!([]));
    assert_eq!(idp.browser(&app, "subject-1", &said).await.get(ME).await.json()["name"], "alice");
}
