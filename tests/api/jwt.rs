//! Tokens that are not what they should be. Each is forged next to one that is right.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jws};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use streamspace::auth::{Role, secret::Place};

use crate::support::{app::TestApp, client::Client, people::PASSWORD};

/// Makes tokens with the very key of the server, as nobody else could.
struct Forger {
    key: EncodingKey,
    kid: String,
    /// The header and the claims of an access token that is right.
    header: Value,
    claims: Value,
    anyone: Client,
}

fn letters(part: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("text")
}

fn part(text: &str) -> Value {
    serde_json::from_str(&letters(text)).expect("JSON")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Forger {
    async fn new(app: &TestApp) -> Self {
        app.person("alice", &[Role::User]).await;
        let body = json!({ "username": "alice", "password": PASSWORD, "grant": "token" });
        let answer = app.anyone().post("/api/v1/auth/login", body).await.json();
        let token = answer["accessToken"].as_str().expect("a token");
        let parts: Vec<&str> = token.split('.').collect();
        let client = app.app.pool.get().await.expect("a connection");
        let row = client.query_one("SELECT kid, private_key FROM signing_keys", &[]).await.expect("one key");
        let (kid, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
        let place = Place { table: "signing_keys", column: "private_key", row: &kid };
        let private = app.app.auth.secrets.open(place, &sealed).expect("it opens");
        let key = EncodingKey::from_ed_der(private.expose_secret());
        Self { key, kid, header: part(parts[0]), claims: part(parts[1]), anyone: app.anyone() }
    }

    /// Whether a token of that header and those claims, signed with the server's key, is let in.
    async fn passes(&self, header: &Value, claims: &Value) -> bool {
        self.passes_as(&header.to_string(), &claims.to_string()).await
    }

    /// The same of these very letters.
    async fn passes_as(&self, header: &str, claims: &str) -> bool {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).expect("signed");
        self.is_let_in(&format!("{message}.{signature}")).await
    }

    async fn is_let_in(&self, token: &str) -> bool {
        match self.anyone.bearer(token).get("/api/v1/users/me").await.status {
            200 => true,
            401 => false,
            other => panic!("{other} for {token}"),
        }
    }

    fn header(&self, field: &str, value: Value) -> Value {
        let mut header = self.header.clone();
        header[field] = value;
        header
    }

    fn claim(&self, field: &str, value: Value) -> Value {
        let mut claims = self.claims.clone();
        claims[field] = value;
        claims
    }
}

#[actix_web::test]
async fn what_is_signed_as_we_sign_passes() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert_eq!(forger.header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": forger.kid }));
    assert!(forger.passes(&forger.header, &forger.claims).await, "the control of every test in this file");
}

#[actix_web::test]
async fn an_unsigned_token_is_refused() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert!(forger.passes(&forger.header, &forger.claims).await);
    let claims = encoded(&forger.claims);
    for alg in ["none", "None", "NONE", "", "EdDSA"] {
        let header = encoded(&forger.header("alg", json!(alg)));
        assert!(!forger.is_let_in(&format!("{header}.{claims}.")).await, "{alg}");
        assert!(!forger.is_let_in(&format!("{header}.{claims}")).await, "{alg}");
    }
}

#[actix_web::test]
async fn a_public_key_is_no_shared_secret() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert!(forger.passes(&forger.header, &forger.claims).await);
    let keys = app.anyone().get("/.well-known/jwks.json").await.json();
    let x = keys["keys"][0]["x"].as_str().expect("a key");
    let raw = URL_SAFE_NO_PAD.decode(x).expect("base64url");
    for secret in [raw.as_slice(), x.as_bytes()] {
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { typ: Some("at+jwt".into()), kid: Some(forger.kid.clone()), ..Header::new(alg) };
            let token = encode(&header, &forger.claims, &EncodingKey::from_secret(secret)).expect("a token");
            assert!(!forger.is_let_in(&token).await, "{alg:?}");
        }
    }
    for alg in ["HS256", "RS256", "ES256", "PS256"] {
        assert!(!forger.passes(&forger.header("alg", json!(alg)), &forger.claims).await, "{alg}");
    }
}

#[actix_web::test]
async fn a_key_of_somebody_else_is_refused_under_our_name_and_under_its_own() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    let stranger = Forger { key: foreign_key(), ..Forger::new(&TestApp::start().await).await };
    assert!(forger.passes(&forger.header, &forger.claims).await);
    let stranger = Forger { anyone: forger.anyone.clone(), ..stranger };
    assert!(!stranger.passes(&forger.header, &forger.claims).await);
    assert!(!stranger.passes(&stranger.header, &forger.claims).await);
    for kid in [json!("../../etc/passwd"), json!("' OR 1=1 --"), json!("\u{0}"), json!(1), Value::Null, json!("")] {
        assert!(!forger.passes(&forger.header("kid", kid.clone()), &forger.claims).await, "{kid}");
    }
}

/// An Ed25519 key that nobody knows here, as PKCS#8.
fn foreign_key() -> EncodingKey {
    let mut der = hex::decode("302e020100300506032b657004220420").expect("hex");
    der.extend([7; 32]);
    EncodingKey::from_ed_der(&der)
}

#[actix_web::test]
async fn a_token_cannot_bring_its_key_along() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert!(forger.passes(&forger.header, &forger.claims).await);
    let foreign = Forger { key: foreign_key(), anyone: app.anyone(), ..Forger::new(&TestApp::start().await).await };
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw" });
    for (field, value) in [
        ("jku", json!("http://127.0.0.1:1/keys.json")),
        ("jwk", jwk),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("invented", json!(true)),
    ] {
        let header = forger.header(field, value);
        assert!(!forger.passes(&header, &forger.claims).await, "{field}, although we signed it");
        assert!(!foreign.passes(&header, &forger.claims).await, "{field}");
    }
}

#[actix_web::test]
async fn a_token_of_another_type_is_refused() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert!(forger.passes(&forger.header, &forger.claims).await);
    for typ in
        [json!("JWT"), json!("jwt"), json!("AT+JWT"), json!("id+jwt"), Value::Null, json!("streamspace-token+jwt")]
    {
        assert!(!forger.passes(&forger.header("typ", typ.clone()), &forger.claims).await, "{typ}");
    }
}

#[actix_web::test]
async fn a_personal_token_needs_its_row_and_an_access_token_is_none() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    let alice = app.anyone().browser(&app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie"));
    let token =
        alice.post("/api/v1/tokens", json!({ "name": "t" })).await.json()["token"].as_str().expect("t").to_owned();
    assert!(forger.is_let_in(&token).await);
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims) = (letters(parts[0]), letters(parts[1]));
    assert!(forger.passes_as(&header, &claims).await, "the same token again");
    let fields = part(parts[1]);
    let exp = fields["exp"].as_i64().expect("seconds");
    let longer = claims.replace(&exp.to_string(), &(exp + 60).to_string());
    assert_ne!(longer, claims);
    assert!(!forger.passes_as(&header, &longer).await, "signed by us, but not the one that was given out");
    let other = claims.replace(fields["jti"].as_str().expect("an id"), "00000000-0000-0000-0000-000000000000");
    assert_ne!(other, claims);
    assert!(!forger.passes_as(&header, &other).await);
    assert!(!forger.passes_as(&forger.header.to_string(), &claims).await, "it is no access token");
}

#[actix_web::test]
async fn audience_issuer_and_account_have_to_be_ours() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    let (aud, iss) = (forger.claims["aud"].clone(), forger.claims["iss"].clone());
    assert!(forger.passes(&forger.header, &forger.claims).await);
    for (field, value) in [
        ("aud", json!("another-api")),
        ("aud", json!([aud, "another-api"])),
        ("aud", Value::Null),
        ("iss", json!("urn:streamspace:00000000-0000-0000-0000-000000000000")),
        ("iss", json!([iss])),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("sub", json!("alice")),
        ("sub", json!("00000000-0000-0000-0000-000000000000")),
        ("sub", Value::Null),
        ("jti", Value::Null),
        ("epoch", json!(99)),
        ("epoch", Value::Null),
    ] {
        assert!(!forger.passes(&forger.header, &forger.claim(field, value.clone())).await, "{field} = {value}");
    }
    for field in ["aud", "iss", "sub", "jti", "exp", "iat", "epoch"] {
        let mut claims = forger.claims.clone();
        claims.as_object_mut().expect("an object").remove(field);
        assert!(!forger.passes(&forger.header, &claims).await, "without {field}");
    }
}

#[actix_web::test]
async fn an_end_that_is_past_or_is_no_time_is_refused() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    let now = app.app.auth.now().as_second();
    assert!(forger.passes(&forger.header, &forger.claim("exp", json!(now + 60))).await);
    for exp in [
        json!(now - 1),
        json!(0),
        json!(-1),
        json!(format!("{}", now + 60)),
        json!("never"),
        json!(1e300),
        serde_json::from_str(&format!("{}.5", now + 60)).expect("a number"),
        json!([now + 60]),
        json!(true),
        Value::Null,
        json!(u64::MAX),
    ] {
        assert!(!forger.passes(&forger.header, &forger.claim("exp", exp.clone())).await, "{exp}");
    }
    assert!(!forger.passes(&forger.header, &forger.claim("iat", json!(now + 120))).await, "from the future");
    assert!(forger.passes(&forger.header, &forger.claim("iat", json!(now + 30))).await, "another replica's clock");
}

#[actix_web::test]
async fn a_changed_letter_anywhere_is_noticed() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    let token = encode(
        &Header { typ: Some("at+jwt".into()), kid: Some(forger.kid.clone()), ..Header::new(Algorithm::EdDSA) },
        &forger.claims,
        &forger.key,
    )
    .expect("a token");
    assert!(forger.is_let_in(&token).await);
    for at in (0..token.len() - 1).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("text");
        assert!(!forger.is_let_in(&changed).await, "at {at}");
    }
    for odd in ["", ".", "..", "...", "a.b.c", &"a".repeat(5_000), &format!("{token}.{token}"), &format!("{token}=")] {
        assert!(!forger.is_let_in(odd).await, "{odd}");
    }
}

#[actix_web::test]
async fn a_detached_or_json_serialisation_is_no_token() {
    let app = TestApp::start().await;
    let forger = Forger::new(&app).await;
    assert!(forger.passes(&forger.header, &forger.claims).await);
    let header = Header { typ: Some("at+jwt".into()), kid: Some(forger.kid.clone()), ..Header::new(Algorithm::EdDSA) };
    let flat = jws::encode(&header, Some(&forger.claims), &forger.key).expect("a JWS");
    assert!(!forger.is_let_in(&serde_json::to_string(&flat).expect("JSON")).await);
}

#[actix_web::test]
async fn a_new_key_signs_nobody_out_and_other_replicas_learn_it() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let made = alice.post("/api/v1/tokens", json!({ "name": "old" })).await.json();
    let old = app.anyone().bearer(made["token"].as_str().expect("a token"));
    let before = app.anyone().get("/.well-known/jwks.json").await.json()["keys"].as_array().expect("keys").len();
    // Another process on the same database, which this one only hears of through the table.
    let replica = app.replica().await;
    replica.keys.rotate().await.expect("a new key");
    let user = app.app.auth.identify(streamspace::auth::Presented::Bearer(made["token"].as_str().expect("t"))).await;
    let user = user.expect("the old token is good").user_id;
    let until = replica.end_of(jiff::SignedDuration::from_mins(5));
    let new = replica.keys.sign(streamspace::auth::jwt::Kind::Access, uuid::Uuid::now_v7(), user, Some(0), until);
    let epoch_of = "SELECT epoch FROM users WHERE name = 'alice'";
    let epoch: i32 =
        app.app.pool.get().await.expect("a connection").query_one(epoch_of, &[]).await.expect("a row").get(0);
    let new = match epoch {
        0 => new,
        epoch => {
            replica.keys.sign(streamspace::auth::jwt::Kind::Access, uuid::Uuid::now_v7(), user, Some(epoch), until)
        }
    }
    .expect("signed");
    assert_eq!(app.anyone().bearer(&new).get("/api/v1/users/me").await.status, 200, "an unknown kid is looked for");
    assert_eq!(old.get("/api/v1/users/me").await.status, 200);
    let keys = app.anyone().get("/.well-known/jwks.json").await.json();
    assert_eq!(keys["keys"].as_array().expect("keys").len(), before + 1);
    assert!(!keys.to_string().contains("\"d\""), "public halves alone");
    let client = app.app.pool.get().await.expect("a connection");
    let left: i64 = client
        .query_one("SELECT count(*) FROM signing_keys WHERE retired_at IS NOT NULL AND private_key IS NOT NULL", &[])
        .await
        .expect("a row")
        .get(0);
    assert_eq!(left, 0, "a retired key cannot sign any more");
}

#[actix_web::test]
async fn after_a_month_another_key_signs() {
    let app = TestApp::start().await;
    let kid = || app.app.auth.keys.published().keys[0].common.key_id.clone();
    let first = kid();
    app.app.auth.keys.maintain().await.expect("looked after");
    assert_eq!(kid(), first);
    app.clock.advance(jiff::SignedDuration::from_hours(31 * 24));
    app.app.auth.keys.maintain().await.expect("looked after");
    assert_ne!(kid(), first);
    assert!(app.app.auth.keys.published().keys.iter().any(|key| key.common.key_id == first), "it goes on verifying");
    app.clock.advance(jiff::SignedDuration::from_hours(401 * 24));
    app.app.auth.keys.maintain().await.expect("looked after");
    assert!(
        app.app.auth.keys.published().keys.iter().all(|key| key.common.key_id != first),
        "nothing of it is in time"
    );
}
