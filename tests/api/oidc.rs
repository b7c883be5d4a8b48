//! Signing in through an OpenID Connect provider, and what must not get through.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::{Client, send},
    idp::{CLIENT, Idp, Journey, problem, signing_in},
    people::until,
};

const ME: &str = "/api/v1/users/me";
const RULES: &str = "/api/v1/rbac-mappings";

async fn roles(client: &Client) -> Value {
    client.get(ME).await.json()["roles"].clone()
}

#[actix_web::test]
async fn a_person_signs_in_through_the_provider_and_comes_to_the_page_they_wanted() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let ways = app.anyone().get("/api/v1/system").await.json()["signIn"].clone();
    let expected = json!([{ "label": "Example", "issuer": idp.issuer(), "path": "/api/v1/auth/oidc/login" }]);
    assert_eq!((&ways["password"], &ways["providers"]), (&json!(true), &expected));
    let journey = Journey::begin(&app.anyone(), "/sessions?phase=Running").await;
    assert_eq!(journey.redirect_uri, format!("{}/api/v1/auth/oidc/callback", app.anyone().base()));
    let said = json!({
        "preferred_username": "Alice.Smith", "name": "Alice Smith", "email": "alice@example.com", "email_verified": true,
    });
    let token = idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &said));
    let answer = journey.end(&app.anyone(), &idp.code(&journey, token)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sessions?phase=Running"));
    assert_eq!(signing_in(&answer).as_deref(), Some(""), "what bound it to the browser is gone");
    let me = app.anyone().browser(&answer.cookie().expect("a cookie")).get(ME).await.json();
    assert_eq!((&me["name"], &me["displayName"]), (&json!("alice-smith"), &json!("Alice Smith")));
    assert_eq!((&me["email"], &me["roles"]), (&json!("alice@example.com"), &json!(["user"])));
}

#[actix_web::test]
async fn a_sign_in_is_in_the_audit_and_so_is_one_that_was_refused() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    idp.browser(&app, "subject-1", &json!({ "preferred_username": "alice" })).await;
    let journey = Journey::begin(&app.anyone(), "/").await;
    assert_eq!(problem(&journey.end(&app.anyone(), "no such code").await), "not-accepted");
    let entries = admin.get("/api/v1/audit?sort=time").await.json()["items"].clone();
    let told: Vec<(&str, &str, &str)> = entries
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| (entry["action"].as_str(), entry["target"].as_str(), entry["result"].as_str()))
        .map(|(action, target, result)| (action.unwrap_or(""), target.unwrap_or(""), result.unwrap_or("")))
        .filter(|(_, target, result)| *target == "user/alice" || *result == "refused")
        .collect();
    let expected = [
        ("user.create", "user/alice", "success"),
        ("user.map", "user/alice", "success"),
        ("auth.sign-in", "user/alice", "success"),
        ("auth.sign-in", "", "refused"),
    ];
    assert_eq!(told, expected);
}

#[actix_web::test]
async fn an_answer_counts_once_in_time_and_only_in_the_browser_that_asked() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let begun = async || {
        let journey = Journey::begin(&app.anyone(), "/").await;
        let token = idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &json!({})));
        let code = idp.code(&journey, token);
        (journey, code)
    };
    let (mine, code) = begun().await;
    let (other, _) = begun().await;
    for cookie in [other.cookie.as_str(), "", "x", &"A".repeat(43)] {
        let elsewhere = Journey { cookie: cookie.to_owned(), ..mine.clone() };
        assert_eq!(problem(&elsewhere.end(&app.anyone(), &code).await), "expired", "{cookie}");
    }
    let unasked = Journey { state: other.state.clone(), ..mine.clone() };
    assert_eq!(problem(&unasked.end(&app.anyone(), &code).await), "expired");
    assert_eq!(problem(&mine.end(&app.anyone(), &code).await), "", "the control: what was left is good");
    assert_eq!(problem(&mine.end(&app.anyone(), &code).await), "expired", "a second time");
    let (late, code) = begun().await;
    app.clock.advance(SignedDuration::from_mins(11));
    assert_eq!(problem(&late.end(&app.anyone(), &code).await), "expired", "eleven minutes later");
}

#[actix_web::test]
async fn another_sign_ins_code_is_worth_nothing() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    // An attacker has a code of their own sign-in, and gets it into the browser of somebody who is just signing in.
    let theirs = Journey::begin(&app.anyone(), "/").await;
    let code = idp.code(&theirs, idp.sign(&idp.header(), &idp.claims(&app, &theirs, "attacker", &json!({}))));
    let mine = Journey::begin(&app.anyone(), "/").await;
    assert_eq!(problem(&mine.end(&app.anyone(), &code).await), "not-accepted");
    // Even a provider that forgets to compare the verifier does not help: the token is of another sign-in.
    let mine = Journey::begin(&app.anyone(), "/").await;
    let code = idp.code(&mine, idp.sign(&idp.header(), &idp.claims(&app, &theirs, "attacker", &json!({}))));
    assert_eq!(problem(&mine.end(&app.anyone(), &code).await), "not-accepted");
}

/// What comes of a sign-in with the token that `forge` makes of its right header and claims.
async fn tried(idp: &Idp, app: &TestApp, forge: impl FnOnce(Value, Value) -> String) -> String {
    let journey = Journey::begin(&app.anyone(), "/").await;
    let claims = idp.claims(app, &journey, "subject-1", &json!({ "preferred_username": "alice" }));
    let token = forge(idp.header(), claims);
    problem(&journey.end(&app.anyone(), &idp.code(&journey, token)).await)
}

#[actix_web::test]
async fn a_token_whose_claims_are_not_right_lets_nobody_in() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let now = app.app.clock.now().as_second();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("aud", json!("another-client")),
        ("aud", json!([])),
        ("aud", json!([CLIENT, "another-client"])),
        ("azp", json!("another-client")),
        ("exp", json!(now - 61)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("iat", json!(now + 120)),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("a\nb")),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let forge = |header: Value, mut claims: Value| {
            claims[name] = value.clone();
            idp.sign(&header, &claims)
        };
        assert_eq!(tried(&idp, &app, forge).await, "not-accepted", "{name} {value}");
    }
    let forge = |header: Value, claims: Value| idp.sign(&header, &claims);
    assert_eq!(tried(&idp, &app, forge).await, "", "the control");
}

#[actix_web::test]
async fn a_token_that_the_provider_did_not_sign_lets_nobody_in() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let stranger = Idp::start().await;
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |mut header: Value, name: &str, value: Value| {
        header[name] = value;
        header
    };
    let unsigned = |header, claims: Value| format!("{}.{}.", text(&with(header, "alg", json!("none"))), text(&claims));
    assert_eq!(tried(&idp, &app, unsigned).await, "not-accepted", "none");
    let confused = |header, claims: Value| {
        let message = format!("{}.{}", text(&with(header, "alg", json!("HS256"))), text(&claims));
        let key = EncodingKey::from_secret(&idp.public_key());
        format!("{message}.{}", sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature"))
    };
    assert_eq!(tried(&idp, &app, confused).await, "not-accepted", "its public key taken for a secret");
    let foreign = |header: Value, claims: Value| stranger.sign(&header, &claims);
    assert_eq!(tried(&idp, &app, foreign).await, "not-accepted", "another's signature under its kid");
    let own_kid = |_, claims: Value| stranger.sign(&stranger.header(), &claims);
    assert_eq!(tried(&idp, &app, own_kid).await, "not-accepted", "another's signature under another kid");
    let fetched = |header, claims: Value| {
        stranger.sign(&with(header, "jku", json!(format!("{}/jwks", stranger.issuer()))), &claims)
    };
    assert_eq!(tried(&idp, &app, fetched).await, "not-accepted", "keys from where the token says");
    let changed = |header: Value, mut claims: Value| {
        let token = idp.sign(&header, &claims);
        claims["sub"] = json!("somebody else");
        let parts: Vec<&str> = token.split('.').collect();
        format!("{}.{}.{}", parts[0], text(&claims), parts[2])
    };
    assert_eq!(tried(&idp, &app, changed).await, "not-accepted", "claims changed after signing");
    assert_eq!(tried(&idp, &app, |header, claims| idp.sign(&header, &claims)).await, "", "the control");
}

#[actix_web::test]
async fn what_is_said_beside_the_token_is_of_the_same_person_or_nothing() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    idp.says_beside(json!({ "sub": "somebody else", "preferred_username": "mallory" }));
    assert_eq!(problem(&idp.sign_in(&app, "subject-1", &json!({})).await), "not-accepted");
    idp.says_beside(json!({ "preferred_username": "alice", "groups": ["eng"] }));
    let me = idp.browser(&app, "subject-1", &json!({})).await.get(ME).await.json();
    assert_eq!(me["name"], "alice");
}

#[actix_web::test]
async fn what_the_provider_or_another_site_writes_into_the_answer_is_never_shown() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let journey = Journey::begin(&app.anyone(), "/").await;
    let error =
        [("state", journey.state.as_str()), ("error", "access_denied"), ("error_description", "<b>call 555</b>")];
    let declined = journey.back(&app.anyone(), &error).await;
    assert_eq!(problem(&declined), "declined");
    assert!(!declined.header("location").contains("555"), "{declined:?}");
    let journey = Journey::begin(&app.anyone(), "/").await;
    let code = idp.code(&journey, idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &json!({}))));
    let twice = [("state", journey.state.as_str()), ("code", code.as_str()), ("code", "another")];
    assert_eq!(problem(&journey.back(&app.anyone(), &twice).await), "expired");
    let mixed = [("state", journey.state.as_str()), ("code", code.as_str()), ("iss", "https://evil.example")];
    assert_eq!(problem(&journey.back(&app.anyone(), &mixed).await), "not-accepted");
}

#[actix_web::test]
async fn a_sign_in_leads_to_no_other_site() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    for wanted in ["https://evil.example/", "//evil.example", "/\\evil.example", "/api/v1/auth/logout"] {
        let journey = Journey::begin(&app.anyone(), wanted).await;
        let code = idp.code(&journey, idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &json!({}))));
        assert_eq!(journey.end(&app.anyone(), &code).await.header("location"), "/", "{wanted}");
    }
}

#[actix_web::test]
async fn nobody_gets_the_account_of_another_by_a_name_or_an_address() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    app.administrator().await;
    app.person("alice", &[Role::Admin]).await;
    let said = json!({ "preferred_username": "alice", "email": "alice@example.com" });
    for (subject, said, name) in [
        ("subject-1", &said, "alice-2"),
        ("subject-2", &said, "alice-3"),
        ("subject-1", &json!({ "preferred_username": "renamed" }), "alice-2"),
        ("subject-3", &json!({ "preferred_username": "admin" }), "admin-2"),
    ] {
        let me = idp.browser(&app, subject, said).await.get(ME).await.json();
        assert_eq!((&me["name"], &me["roles"]), (&json!(name), &json!(["user"])), "{subject}");
    }
}

#[actix_web::test]
async fn two_first_sign_ins_of_a_person_at_once_make_one_account() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let said = json!({ "preferred_username": "alice" });
    let all =
        (0..5).map(|_| async { idp.browser(&app, "subject-1", &said).await.get(ME).await.json()["name"].clone() });
    assert_eq!(futures::future::join_all(all).await, vec![json!("alice"); 5]);
}

#[actix_web::test]
async fn a_browser_that_signs_in_again_ends_its_sign_in_before() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let first = idp.browser(&app, "subject-1", &json!({})).await;
    let journey = Journey::begin(&first, "/").await;
    let code = idp.code(&journey, idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &json!({}))));
    assert_eq!(problem(&journey.end(&first, &code).await), "");
    assert_eq!(first.get(ME).await.status, 401);
}

/// Makes the group `engineering`, and rules that give it to `eng` and the role of operators to `ops`.
async fn rules(idp: &Idp, admin: &Client) {
    let made = admin.post("/api/v1/groups", json!({ "name": "engineering" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    for more in [
        json!({ "principal": "groups=eng", "team": "engineering" }),
        json!({ "principal": "groups=ops", "role": "operator" }),
    ] {
        let mut rule = json!({ "issuer": idp.issuer() });
        rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let made = admin.post(RULES, rule).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
}

async fn groups_of(admin: &Client, user: &str) -> Value {
    admin.get(&format!("/api/v1/users/{user}/groups")).await.json()
}

#[actix_web::test]
async fn groups_and_roles_are_given_and_taken_back_at_each_sign_in_and_what_an_administrator_gave_stays() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    rules(&idp, &admin).await;
    let said = |groups: Value| json!({ "preferred_username": "alice", "groups": groups });
    let alice = idp.browser(&app, "subject-1", &said(json!(["eng", "ops"]))).await;
    assert_eq!(roles(&alice).await, json!(["user", "operator"]));
    assert!(groups_of(&admin, "alice").await.to_string().contains("engineering"));
    assert_eq!(alice.get("/api/v1/users").await.status, 200, "an operator sees people");
    let given = admin.patch("/api/v1/users/alice", json!({ "roles": ["auditor"] })).await;
    assert_eq!((given.status, &given.json()["mappedRoles"]), (200, &json!(["user", "operator"])));
    // The provider no longer says so: what it gave goes, also in the browser that signed in before.
    let again = idp.browser(&app, "subject-1", &said(json!([]))).await;
    assert_eq!(roles(&again).await, json!(["user", "auditor"]));
    assert!(!groups_of(&admin, "alice").await.to_string().contains("engineering"));
    until("the browser before has lost it too", async || roles(&alice).await == json!(["user", "auditor"])).await;
}

#[actix_web::test]
async fn a_disabled_account_stays_out_and_loses_what_was_mapped() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    rules(&idp, &admin).await;
    let said = json!({ "preferred_username": "alice", "groups": ["ops"] });
    let alice = idp.browser(&app, "subject-1", &said).await;
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await.status, 200);
    assert_eq!(alice.get(ME).await.status, 401);
    assert_eq!(problem(&idp.sign_in(&app, "subject-1", &json!({ "groups": [] })).await), "disabled");
    assert_eq!(admin.get("/api/v1/users/alice").await.json()["mappedRoles"], json!(["user"]));
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": false })).await.status, 200);
    assert_eq!(problem(&idp.sign_in(&app, "subject-1", &said).await), "", "the control");
}

#[actix_web::test]
async fn without_a_role_for_everybody_only_those_come_in_whom_a_rule_gives_one() {
    let idp = Idp::start().await;
    let app = idp.app(&["--sso-default-role=none"]).await;
    let admin = app.administrator().await;
    rules(&idp, &admin).await;
    let said = |groups: Value| json!({ "preferred_username": "alice", "groups": groups });
    assert_eq!(problem(&idp.sign_in(&app, "subject-1", &said(json!(["eng"]))).await), "no-role");
    assert_eq!(admin.get("/api/v1/users/alice").await.status, 404, "nor is there an account");
    let alice = idp.browser(&app, "subject-1", &said(json!(["ops"]))).await;
    assert_eq!(roles(&alice).await, json!(["operator"]));
    assert_eq!(problem(&idp.sign_in(&app, "subject-1", &said(json!([]))).await), "no-role");
    until("what they had is taken back", async || alice.get(ME).await.status == 403).await;
}

#[actix_web::test]
async fn a_provider_that_was_away_or_rolled_its_key_is_believed_again() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    idp.browser(&app, "subject-1", &json!({})).await;
    idp.roll_key();
    // The keys are read again at most once a second.
    until("the new key is known", async || problem(&idp.sign_in(&app, "subject-1", &json!({})).await).is_empty()).await;
    let journey = Journey::begin(&app.anyone(), "/").await;
    let code = idp.code(&journey, idp.sign(&idp.header(), &idp.claims(&app, &journey, "subject-1", &json!({}))));
    idp.away(true);
    assert_eq!(problem(&journey.end(&app.anyone(), &code).await), "provider-away");
    idp.away(false);
    idp.browser(&app, "subject-1", &json!({})).await;
}

#[actix_web::test]
async fn a_provider_of_which_nothing_is_known_yet_is_asked_again() {
    let idp = Idp::start().await;
    idp.away(true);
    let app = idp.app(&[]).await;
    let asked = async || send(app.anyone().bare("GET", "/api/v1/auth/oidc/login")).await;
    assert_eq!(problem(&asked().await), "provider-away");
    idp.away(false);
    until("it is asked again", async || asked().await.header("location").starts_with(&idp.issuer())).await;
}

#[actix_web::test]
async fn where_no_provider_is_configured_there_is_no_way_through_one() {
    let app = TestApp::start().await;
    for path in ["/api/v1/auth/oidc/login", "/api/v1/auth/oidc/callback?state=x&code=y"] {
        assert_eq!(app.anyone().get(path).await.code(), "not-found", "{path}");
    }
    assert_eq!(app.anyone().get("/api/v1/system").await.json()["signIn"]["providers"], json!([]));
}
