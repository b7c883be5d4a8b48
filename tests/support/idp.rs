//! An OpenID Connect provider of the test's own: real keys, real codes, and whatever it is told to say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    app::TestApp,
    client::{Answer, Client, send},
    program::{self, Program},
};

/// What the provider calls the server, with a secret.
pub const CLIENT: &str = "streamspace";
const SECRET: &str = "the client's secret";

/// The provider.
pub struct Idp {
    state: Arc<Mutex<State>>,
    // Ends with the value.
    _program: Program,
}

struct State {
    issuer: String,
    key: SigningKey,
    kid: String,
    /// What the holder of a code gets for it, once.
    codes: HashMap<String, Grant>,
    /// What is said beside the token.
    info: Value,
    away: bool,
    /// Whether people can sign out there.
    signs_out: bool,
}

struct Grant {
    challenge: String,
    redirect_uri: String,
    token: String,
}

fn new_key() -> (SigningKey, String) {
    (SigningKey::from_bytes(&rand::random()), hex::encode(rand::random::<[u8; 4]>()))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Idp {
    /// Starts one.
    pub async fn start() -> Self {
        let (key, kid) = new_key();
        let (issuer, codes, info) = (String::new(), HashMap::new(), json!({}));
        let state = State { issuer, key, kid, codes, info, away: false, signs_out: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let program = Program::start(move |client| serve(client, Arc::clone(&shared))).await;
        lock(&state).issuer = format!("http://{}", program.address);
        Self { state, _program: program }
    }

    /// A server that knows it.
    pub async fn app(&self, arguments: &[&str]) -> TestApp {
        TestApp::with(&[&self.settings().each_ref().map(String::as_str)[..], arguments].concat()).await
    }

    /// The settings of a server that knows it.
    pub fn settings(&self) -> [String; 4] {
        [
            format!("--oidc-issuer-url={}", self.issuer()),
            format!("--oidc-client-id={CLIENT}"),
            format!("--oidc-client-secret={SECRET}"),
            "--oidc-label=Example".to_owned(),
        ]
    }

    /// Who it is.
    pub fn issuer(&self) -> String {
        lock(&self.state).issuer.clone()
    }

    /// From now on it signs with another key, and publishes that one alone.
    pub fn roll_key(&self) {
        let mut state = lock(&self.state);
        (state.key, state.kid) = new_key();
    }

    /// From now on nobody answers there, or somebody does again.
    pub fn away(&self, away: bool) {
        lock(&self.state).away = away;
    }

    /// From now on people can sign out there.
    pub fn signs_out(&self) {
        lock(&self.state).signs_out = true;
    }

    /// What it says beside the token from now on.
    pub fn says_beside(&self, info: Value) {
        lock(&self.state).info = info;
    }

    /// The header of its tokens.
    pub fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "kid": lock(&self.state).kid, "typ": "JWT" })
    }

    /// What its token says of `subject` in answer to `journey`; `more` is added, and takes the place of what it names.
    pub fn claims(&self, app: &TestApp, journey: &Journey, subject: &str, more: &Value) -> Value {
        let now: Timestamp = app.app.clock.now();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": subject, "iat": now.as_second(), "exp": now.as_second() + 300,
            "nonce": journey.nonce,
        });
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    }

    /// What its token says to sign `subject` out, or only their sign-in `session`; `more` as in [`Idp::claims`].
    pub fn leaving(&self, app: &TestApp, subject: &str, session: Option<&str>, more: &Value) -> Value {
        let now: Timestamp = app.app.clock.now();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": subject, "iat": now.as_second(), "exp": now.as_second() + 120,
            "jti": hex::encode(rand::random::<[u8; 8]>()),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        if let Some(session) = session {
            claims["sid"] = session.into();
        }
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    }

    /// A token of that header and those claims, signed with its key.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let der = lock(&self.state).key.to_pkcs8_der().expect("a key");
        let signature = sign(message.as_bytes(), &EncodingKey::from_ed_der(der.as_bytes()), Algorithm::EdDSA);
        format!("{message}.{}", signature.expect("a signature"))
    }

    /// Its public key, as its key set has it.
    pub fn public_key(&self) -> [u8; 32] {
        lock(&self.state).key.verifying_key().to_bytes()
    }

    /// A code for which `journey` gets `token`.
    pub fn code(&self, journey: &Journey, token: String) -> String {
        let code = hex::encode(rand::random::<[u8; 8]>());
        let (challenge, redirect_uri) = (journey.challenge.clone(), journey.redirect_uri.clone());
        lock(&self.state).codes.insert(code.clone(), Grant { challenge, redirect_uri, token });
        code
    }

    /// The whole way of `subject`, of whom the provider says `more` as well: what the server answers at its end.
    pub async fn sign_in(&self, app: &TestApp, subject: &str, more: &Value) -> Answer {
        let journey = Journey::begin(&app.anyone(), "/").await;
        let token = self.sign(&self.header(), &self.claims(app, &journey, subject, more));
        journey.end(&app.anyone(), &self.code(&journey, token)).await
    }

    /// The same for one who is let in: their browser.
    pub async fn browser(&self, app: &TestApp, subject: &str, more: &Value) -> Client {
        let answer = self.sign_in(app, subject, more).await;
        assert_eq!(answer.header("location"), "/", "{answer:?}");
        app.anyone().browser(&answer.cookie().expect("a cookie"))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A browser on its way through the provider.
#[derive(Clone, Debug)]
pub struct Journey {
    /// What the browser keeps.
    pub cookie: String,
    pub state: String,
    pub nonce: String,
    pub challenge: String,
    pub redirect_uri: String,
    /// Where the server sent the browser.
    pub url: url::Url,
}

impl Journey {
    /// Begins a sign-in that is to end at `to`.
    pub async fn begin(client: &Client, to: &str) -> Self {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        let answer = send(client.bare("GET", &format!("/api/v1/auth/oidc/login?{query}"))).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let url: url::Url = answer.header("location").parse().unwrap_or_else(|_| panic!("a provider: {answer:?}"));
        let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((&*asked["response_type"], &*asked["code_challenge_method"]), ("code", "S256"));
        Self {
            cookie: signing_in(&answer).expect("a cookie"),
            state: asked["state"].clone(),
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
            url,
        }
    }

    /// Comes back with a code.
    pub async fn end(&self, client: &Client, code: &str) -> Answer {
        self.back(client, &[("state", &self.state), ("code", code)]).await
    }

    /// Comes back with whatever the provider's redirect says.
    pub async fn back(&self, client: &Client, query: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let path = format!("/api/v1/auth/oidc/callback?{query}");
        // A browser sends the cookie of its sign-in too, where it has one.
        let others = client.headers().filter(|(name, _)| *name == "cookie").map(|(_, cookie)| cookie.to_owned());
        let own = (!self.cookie.is_empty()).then(|| format!("streamspace_signin={}", self.cookie));
        let cookies: Vec<String> = others.chain(own).collect();
        send(client.bare("GET", &path).header("cookie", cookies.join("; "))).await
    }
}

/// The value of the cookie that binds a sign-in to its browser; empty where the answer takes it away.
pub fn signing_in(answer: &Answer) -> Option<String> {
    let mut lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text"));
    let value = lines.find_map(|line| line.strip_prefix("streamspace_signin="))?;
    value.split(';').next().map(str::to_owned)
}

/// The problem that the sign-in page is to show; empty where somebody was let in.
pub fn problem(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = format!("http://x{}", answer.header("location"));
    let url: url::Url = location.parse().unwrap_or_else(|_| panic!("{answer:?}"));
    let found = url.query_pairs().find(|(name, _)| name == "problem").map(|(_, word)| word.into_owned());
    assert_eq!(found.is_none(), answer.cookie().is_some(), "a cookie, or a problem: {answer:?}");
    found.unwrap_or_default()
}

async fn serve(mut client: program::Client, state: Arc<Mutex<State>>) {
    while let Some(head) = client.head().await {
        let body = client.body(&head).await;
        if lock(&state).away {
            return;
        }
        let (status, answer) = answer(&state, &head, &body);
        let text = answer.to_string();
        let head = "content-type: application/json\r\ncontent-length:";
        client.write(format!("HTTP/1.1 {status} -\r\n{head} {}\r\n\r\n{text}", text.len())).await;
    }
}

fn answer(state: &Mutex<State>, head: &program::Head, body: &[u8]) -> (u16, Value) {
    let mut state = lock(state);
    let issuer = state.issuer.clone();
    let sign_out = state.signs_out.then(|| format!("{issuer}/sign-out?tenant=x"));
    match head.text.split(' ').nth(1).expect("a path") {
        "/.well-known/openid-configuration" => (
            200,
            json!({
                "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
                "userinfo_endpoint": format!("{issuer}/userinfo"), "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "end_session_endpoint": sign_out,
                // A careless provider offers what nobody should take.
                "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
            }),
        ),
        "/jwks" => {
            let x = URL_SAFE_NO_PAD.encode(state.key.verifying_key().to_bytes());
            (200, json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": state.kid, "x": x }] }))
        }
        "/token" => token(&mut state, head, body),
        "/userinfo" if head.one("authorization").starts_with("Bearer ") => {
            let subject = head.one("authorization").trim_start_matches("Bearer access of ").to_owned();
            let mut info = state.info.clone();
            if info["sub"].is_null() {
                info["sub"] = subject.into();
            }
            (200, info)
        }
        _ => (404, json!({})),
    }
}

/// Redeems a code once, for the client that shows its secret and the verifier of the challenge.
fn token(state: &mut State, head: &program::Head, body: &[u8]) -> (u16, Value) {
    let asked: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
    let basic: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{basic}"));
    if head.one("authorization") != format!("Basic {basic}") {
        return (401, json!({ "error": "invalid_client" }));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
    let grant = state.codes.remove(&asked["code"]);
    match grant.filter(|grant| grant.challenge == challenge && grant.redirect_uri == asked["redirect_uri"]) {
        Some(Grant { token, .. }) => {
            let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
            let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
            let access = format!("access of {}", claims["sub"].as_str().unwrap_or_default());
            (200, json!({ "access_token": access, "token_type": "Bearer", "id_token": token }))
        }
        None => (400, json!({ "error": "invalid_grant" })),
    }
}
