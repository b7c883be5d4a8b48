//! The rules from what identity providers say to groups and roles, and trying them.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    client::{Client, send},
    idp::Idp,
    saml::{SamlIdp, Trip},
};

const RULES: &str = "/api/v1/rbac-mappings";
const TEST: &str = "/api/v1/admin/sso/test";
const ISSUER: &str = "https://id.example";

fn rule(principal: &str) -> Value {
    json!({ "issuer": ISSUER, "principal": principal, "role": "operator" })
}

#[actix_web::test]
async fn a_rule_is_made_changed_and_removed_and_the_audit_has_it() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let made = admin.post(RULES, rule("groups=ops")).await;
    let (id, tag) = (made.json()["id"].as_str().expect("an id").to_owned(), made.header("etag").to_owned());
    assert_eq!((made.status, &made.json()["enabled"]), (201, &json!(true)));
    let path = format!("{RULES}/{id}");
    assert_eq!(admin.get(&path).await.json(), made.json());
    let change = json!({ "principal": "groups=operators", "enabled": false });
    let changed = send(admin.request("PATCH", &path).header("if-match", &tag).json(&change)).await;
    assert_eq!((changed.status, &changed.json()["principal"]), (200, &json!("groups=operators")));
    let stale = send(admin.request("PATCH", &path).header("if-match", &tag).json(&change)).await;
    assert_eq!(stale.status, 412);
    assert_eq!(admin.get(RULES).await.json()["items"][0], changed.json());
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(admin.get(&path).await.status, 404);
    let audit = admin.get("/api/v1/audit?search=mapping&sort=time").await.json();
    let actions: Vec<&str> =
        audit["items"].as_array().expect("entries").iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["mapping.create", "mapping.change", "mapping.delete"]);
}

#[actix_web::test]
async fn a_rule_that_says_nothing_is_refused_with_the_field_that_is_wrong() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let wrong = async |client: &Client, name: &str, value: Value| {
        let mut body = rule("groups=ops");
        body[name] = value;
        client.post(RULES, body).await.json()["errors"][0]["field"].clone()
    };
    for (name, value) in
        [("principal", json!("ops")), ("issuer", json!("")), ("role", Value::Null), ("team", json!("no-such-group"))]
    {
        assert_eq!(wrong(&admin, name, value).await, name);
    }
    let made = admin.post(RULES, rule("groups=ops")).await;
    let path = format!("{RULES}/{}", made.json()["id"].as_str().expect("an id"));
    let nothing = admin.patch(&path, json!({ "role": null })).await;
    assert_eq!((nothing.status, &nothing.json()["errors"][0]["field"]), (400, &json!("role")));
}

#[actix_web::test]
async fn the_tester_says_what_a_sign_in_would_do_and_changes_nothing() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    assert_eq!(admin.post("/api/v1/groups", json!({ "name": "engineering" })).await.status, 201);
    let made = admin
        .post(
            RULES,
            json!({ "issuer": idp.issuer(), "principal": "groups=eng", "team": "engineering", "role": "auditor" }),
        )
        .await
        .json();
    let said = |groups: Value| json!({ "sub": "subject-1", "preferred_username": "alice", "groups": groups });
    let tried = async |groups: Value| admin.post(TEST, json!({ "claims": said(groups) })).await.json();
    let new = tried(json!(["eng"])).await;
    let expected = json!({
        "issuer": idp.issuer(), "claims": said(json!(["eng"])), "user": "alice", "exists": false, "fired": [made["id"]],
        "groups": { "after": ["engineering"], "added": ["engineering"], "removed": [] },
        "roles": { "after": ["user", "auditor"], "added": ["user", "auditor"], "removed": [] },
    });
    assert_eq!(new, expected);
    assert_eq!(admin.get("/api/v1/users/alice").await.status, 404, "nothing happened");
    idp.browser(&app, "subject-1", &said(json!(["eng"]))).await;
    let back = tried(json!([])).await;
    assert_eq!((&back["exists"], &back["fired"]), (&json!(true), &json!([])));
    assert_eq!(back["groups"], json!({ "after": [], "added": [], "removed": ["engineering"] }));
    assert_eq!(back["roles"], json!({ "after": ["user"], "added": [], "removed": ["auditor"] }));
    let user = admin.get("/api/v1/users/alice").await.json();
    assert_eq!(user["mappedRoles"], json!(["user", "auditor"]), "nothing happened");
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await.status, 200);
    assert_eq!(tried(json!([])).await["refused"], "disabled");
}

#[actix_web::test]
async fn the_tester_reads_a_token_that_somebody_pastes() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    let rule = json!({ "issuer": idp.issuer(), "principal": "groups=eng", "role": "auditor" });
    assert_eq!(admin.post(RULES, rule).await.status, 201);
    let claims = json!({ "iss": idp.issuer(), "sub": "subject-1", "preferred_username": "alice", "groups": ["eng"] });
    let token = idp.sign(&idp.header(), &claims);
    let trial = admin.post(TEST, json!({ "token": format!(" {token}\n") })).await.json();
    assert_eq!((&trial["issuer"], &trial["claims"]), (&json!(idp.issuer()), &claims));
    assert_eq!((&trial["user"], &trial["roles"]["after"]), (&json!("alice"), &json!(["user", "auditor"])));
    let nameless = idp.sign(&idp.header(), &json!({ "sub": "x" }));
    for (body, field) in [
        (json!({ "token": "no token" }), "token"),
        (json!({ "token": nameless }), "token"),
        (json!({ "token": token, "claims": claims }), "claims"),
        (json!({ "token": token, "issuer": ISSUER }), "claims"),
        (json!({}), "claims"),
    ] {
        let answer = admin.post(TEST, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &json!(field)), "{body}");
    }
}

#[actix_web::test]
async fn the_tester_reads_an_assertion_however_old_that_its_provider_signed() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    let trip = Trip::begin(&app.anyone(), "/").await;
    let assertion = idp.sign(&idp.assertion(&app, &trip, "alice", &[("groups", &["eng", "ops"])]));
    let response = idp.response(&app, &trip, &assertion);
    app.clock.advance(SignedDuration::from_hours(2));
    let tried = async |xml: &str| admin.post(TEST, json!({ "assertion": xml })).await;
    for shown in [response.as_str(), &STANDARD.encode(&response), &assertion] {
        let trial = tried(shown).await.json();
        assert_eq!((&trial["issuer"], &trial["user"]), (&json!(idp.issuer()), &json!("alice")), "{trial}");
        assert_eq!(trial["claims"]["sub"], "alice");
        assert_eq!(trial["claims"]["groups"], json!(["eng", "ops"]));
    }
    assert_eq!(admin.get("/api/v1/users/alice").await.status, 404, "nothing happened");
    let stranger = SamlIdp::start().await;
    let theirs = stranger.sign(&stranger.assertion(&app, &trip, "alice", &[]));
    for (why, shown) in [
        ("changed", response.replace(">alice<", ">mallory<")),
        ("unsigned", idp.response(&app, &trip, &idp.assertion(&app, &trip, "alice", &[]))),
        ("another provider's", stranger.response(&app, &trip, &theirs)),
        ("no message", "<a/>".to_owned()),
        ("no text", "###".to_owned()),
    ] {
        let answer = tried(&shown).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &json!("assertion")), "{why}");
    }
}

#[actix_web::test]
async fn the_tester_takes_whatever_claims_there_can_be() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let tried = async |claims: Value| admin.post(TEST, json!({ "issuer": ISSUER, "claims": claims })).await;
    for claims in
        [json!({}), json!({ "sub": 7, "preferred_username": ["x"] }), json!({ "a": { "b": [{ "c": null }] } })]
    {
        assert_eq!(tried(claims.clone()).await.status, 200, "{claims}");
    }
    assert_eq!(tried(json!({ "sub": "a\u{0}b" })).await.status, 400);
    assert_eq!(admin.post(TEST, json!({ "claims": {} })).await.status, 400, "which provider?");
}
