//! Signing in through a SAML provider, and what must not get through.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    idp::{problem, signing_in},
    people::until,
    saml::{Encryption, Key, SamlIdp, Trip, encrypted, signed},
};

const ME: &str = "/api/v1/users/me";
const FORM: &str = "application/x-www-form-urlencoded";
const GROUPS: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups";
pub(crate) const NOBODY: &[(&str, &[&str])] = &[];

async fn me(client: &Client) -> Value {
    client.get(ME).await.json()
}

/// What comes of a response that `forge` makes in answer to a request.
pub(crate) async fn tried(app: &TestApp, forge: impl FnOnce(&Trip) -> String) -> String {
    let trip = Trip::begin(&app.anyone(), "/").await;
    problem(&trip.post(&app.anyone(), &forge(&trip)).await)
}

#[actix_web::test]
async fn a_person_signs_in_through_the_provider_and_comes_to_the_page_they_wanted() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let trip = Trip::begin(&app.anyone(), "/sessions?phase=Running").await;
    let ways = app.anyone().get("/api/v1/system").await.json()["signIn"].clone();
    let expected = json!([{ "label": "Example", "issuer": idp.issuer(), "path": "/api/v1/auth/saml/login?idp=saml" }]);
    assert_eq!((&ways["password"], &ways["providers"]), (&json!(true), &expected));
    let said: &[(&str, &[&str])] =
        &[("uid", &["Alice.Smith"]), ("mail", &["alice@example.com"]), ("displayName", &["Alice Smith"])];
    let assertion = idp.sign(&idp.assertion(&app, &trip, "subject-1", said));
    let answer = trip.post(&app.anyone(), &idp.response(&app, &trip, &assertion)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sessions?phase=Running"), "{answer:?}");
    assert_eq!(signing_in(&answer).as_deref(), Some(""), "what bound it to the browser is gone");
    let me = me(&app.anyone().browser(&answer.cookie().expect("a cookie"))).await;
    assert_eq!((&me["name"], &me["displayName"]), (&json!("alice-smith"), &json!("Alice Smith")));
    assert_eq!((&me["email"], &me["roles"]), (&json!("alice@example.com"), &json!(["user"])));
}

#[actix_web::test]
async fn a_sign_in_is_in_the_audit_and_so_is_one_that_was_refused() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    idp.browser(&app, "alice", NOBODY).await;
    assert_eq!(
        tried(&app, |trip| idp.response(&app, trip, &idp.assertion(&app, trip, "alice", NOBODY))).await,
        "not-accepted"
    );
    let entries = admin.get("/api/v1/audit?action=auth.sign-in&sort=time").await.json()["items"].clone();
    let told: Vec<(&str, &str)> = entries
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| (entry["result"].as_str().unwrap_or(""), entry["after"]["with"].as_str().unwrap_or("")))
        .filter(|(result, with)| *with == "saml" || *result == "refused")
        .collect();
    assert_eq!(told, [("success", "saml"), ("refused", "")]);
}

#[actix_web::test]
async fn the_whole_response_may_be_signed_in_place_of_its_assertion_or_beside_it() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let around = |trip: &Trip| idp.sign(&idp.response(&app, trip, &idp.assertion(&app, trip, "alice", NOBODY)));
    assert_eq!(tried(&app, around).await, "");
    let both =
        |trip: &Trip| idp.sign(&idp.response(&app, trip, &idp.sign(&idp.assertion(&app, trip, "alice", NOBODY))));
    assert_eq!(tried(&app, both).await, "");
}

#[actix_web::test]
async fn an_answer_counts_once_in_time_and_only_in_the_browser_that_asked() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let begun = async || {
        let trip = Trip::begin(&app.anyone(), "/").await;
        let response = idp.response(&app, &trip, &idp.sign(&idp.assertion(&app, &trip, "alice", NOBODY)));
        (trip, response)
    };
    let (mine, response) = begun().await;
    let (other, _) = begun().await;
    for cookie in [other.cookie.as_str(), "", "x", &"A".repeat(43)] {
        let elsewhere = Trip { cookie: cookie.to_owned(), ..mine.clone() };
        assert_eq!(problem(&elsewhere.post(&app.anyone(), &response).await), "expired", "{cookie}");
    }
    assert_eq!(problem(&mine.post(&app.anyone(), &response).await), "", "the control: what was left is good");
    assert_eq!(problem(&mine.post(&app.anyone(), &response).await), "expired", "a second time");
    let (late, response) = begun().await;
    app.clock.advance(SignedDuration::from_mins(11));
    assert_eq!(problem(&late.post(&app.anyone(), &response).await), "expired", "eleven minutes later");
}

#[actix_web::test]
async fn an_assertion_lets_somebody_in_once_on_whichever_replica_and_whatever_it_is_put_into() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&["--saml-idp-initiated"]).await;
    let trip = Trip::unasked(&app.anyone(), None);
    let assertion = idp.sign(&idp.assertion(&app, &trip, "alice", NOBODY));
    let posted = async || problem(&trip.post(&app.anyone(), &idp.response(&app, &trip, &assertion)).await);
    let mut answers = futures::future::join_all((0..8).map(|_| posted())).await;
    answers.sort();
    let refused = vec!["not-accepted".to_owned(); 7];
    assert_eq!(answers, [vec![String::new()], refused].concat(), "of eight at once one");
    assert_eq!(posted().await, "not-accepted");
    let settings = idp.settings();
    let own = format!("--public-url={}", app.anyone().base());
    let twin = app.twin_with(&[settings[0].as_str(), "--saml-idp-initiated", &own]).await;
    let known =
        async |assertion: &str| problem(&trip.post(&twin.anyone(), &idp.response(&app, &trip, assertion)).await);
    assert_eq!(known(&assertion).await, "not-accepted", "another replica knows of it");
    let fresh = idp.sign(&idp.assertion(&app, &trip, "alice", NOBODY));
    assert_eq!(known(&fresh).await, "", "the control: it takes others");
}

#[actix_web::test]
async fn nobody_is_let_in_who_was_not_sent_unless_that_is_allowed() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let sent = async |app: &TestApp, relay_state: Option<&str>| {
        let trip = Trip::unasked(&app.anyone(), relay_state);
        let assertion = idp.sign(&idp.assertion(app, &trip, "alice", NOBODY));
        trip.post(&app.anyone(), &idp.response(app, &trip, &assertion)).await
    };
    // It has to be known for this to mean something.
    idp.browser(&app, "alice", NOBODY).await;
    assert_eq!(problem(&sent(&app, None).await), "expired");
    let open = idp.app(&["--saml-idp-initiated"]).await;
    idp.browser(&open, "alice", NOBODY).await;
    for (wanted, leads) in [
        (None, "/"),
        (Some("/templates"), "/templates"),
        (Some("https://evil.example/"), "/"),
        (Some("//evil.example"), "/"),
        (Some("/\\evil.example"), "/"),
        (Some("javascript:alert(1)"), "/"),
        (Some("/api/v1/auth/logout"), "/"),
    ] {
        let answer = sent(&open, wanted).await;
        assert_eq!((problem(&answer).as_str(), answer.header("location")), ("", leads), "{wanted:?}");
    }
}

#[actix_web::test]
async fn a_sign_in_leads_to_no_other_site() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    for wanted in ["https://evil.example/", "//evil.example", "/\\evil.example", "/api/v1/auth/logout"] {
        let trip = Trip { relay_state: Some(wanted.to_owned()), ..Trip::begin(&app.anyone(), wanted).await };
        let assertion = idp.sign(&idp.assertion(&app, &trip, "alice", NOBODY));
        let answer = trip.post(&app.anyone(), &idp.response(&app, &trip, &assertion)).await;
        assert_eq!((problem(&answer).as_str(), answer.header("location")), ("", "/"), "{wanted}");
    }
}

#[actix_web::test]
async fn what_goes_wrong_at_the_provider_is_said_in_our_own_words() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let refusal = |trip: &Trip| {
        let status = "status:Responder\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\">\
                      </samlp:StatusCode></samlp:StatusCode><samlp:StatusMessage>call 555</samlp:StatusMessage>";
        idp.response(&app, trip, "").replace("status:Success\"></samlp:StatusCode>", status)
    };
    let trip = Trip::begin(&app.anyone(), "/").await;
    let declined = trip.post(&app.anyone(), &refusal(&trip)).await;
    assert_eq!(problem(&declined), "declined");
    assert!(!declined.header("location").contains("555"), "{declined:?}");
}

async fn posted(client: &Client, kind: &str, body: &str) -> Answer {
    let request = client.bare("POST", "/api/v1/auth/saml/acs").header("content-type", kind.to_owned());
    send(request.body(body.to_owned())).await
}

#[actix_web::test]
async fn whatever_is_posted_is_answered() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    assert_eq!(posted(&app.anyone(), "application/json", "{}").await.status, 415);
    assert_eq!(posted(&app.anyone(), FORM, "").await.status, 400);
    assert_eq!(posted(&app.anyone(), FORM, "SAMLResponse=a&SAMLResponse=b").await.status, 400);
    assert_eq!(posted(&app.anyone(), FORM, &"x".repeat(2 << 20)).await.status, 413);
    for odd in ["%00", "%ff%ff", "PGE+", "PGEvPg==", "////"] {
        let answer = posted(&app.anyone(), FORM, &format!("SAMLResponse={odd}")).await;
        assert_eq!(problem(&answer), "not-accepted", "{odd}");
    }
}

#[actix_web::test]
async fn nobody_gets_the_account_of_another_by_a_name_or_of_another_protocol() {
    let idp = SamlIdp::start().await;
    let oidc = crate::support::idp::Idp::start().await;
    // A Keycloak calls itself the same in both.
    idp.call(&oidc.issuer());
    let both: Vec<String> = idp.settings().into_iter().chain(oidc.settings()).collect();
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    let app = TestApp::with(&both).await;
    let first = oidc.browser(&app, "alice", &json!({ "preferred_username": "alice" })).await;
    let second = idp.browser(&app, "alice", NOBODY).await;
    assert_eq!((&me(&first).await["name"], &me(&second).await["name"]), (&json!("alice"), &json!("alice-2")));
    let again = idp.browser(&app, "alice", &[("uid", &["renamed"])]).await;
    assert_eq!(me(&again).await["name"], "alice-2");
}

#[actix_web::test]
async fn groups_and_roles_are_given_and_taken_back_at_each_sign_in() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&["--saml-preset=azure"]).await;
    let admin = app.administrator().await;
    assert_eq!(admin.post("/api/v1/groups", json!({ "name": "engineering" })).await.status, 201);
    for more in [
        json!({ "principal": "groups=eng", "team": "engineering" }),
        json!({ "principal": "groups=ops", "role": "operator" }),
    ] {
        let mut rule = json!({ "issuer": idp.issuer() });
        rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(admin.post("/api/v1/rbac-mappings", rule).await.status, 201);
    }
    let alice = idp.browser(&app, "alice", &[(GROUPS, &["eng", "ops"])]).await;
    assert_eq!(me(&alice).await["roles"], json!(["user", "operator"]));
    assert!(admin.get("/api/v1/users/alice/groups").await.json().to_string().contains("engineering"));
    let again = idp.browser(&app, "alice", &[(GROUPS, &["others"])]).await;
    assert_eq!(me(&again).await["roles"], json!(["user"]));
    assert!(!admin.get("/api/v1/users/alice/groups").await.json().to_string().contains("engineering"));
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await.status, 200);
    assert_eq!(problem(&idp.sign_in(&app, "alice", NOBODY).await), "disabled");
}

#[actix_web::test]
async fn keys_roll_over_and_what_was_known_is_kept_while_the_provider_is_away() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    idp.browser(&app, "alice", NOBODY).await;
    let (old, new) = (idp.key(), Key::new());
    idp.use_keys(vec![new.clone(), old.clone()]);
    until("the new key is known", async || problem(&idp.sign_in(&app, "alice", NOBODY).await).is_empty()).await;
    let late =
        |trip: &Trip| idp.response(&app, trip, &signed(&idp.assertion(&app, trip, "alice", NOBODY), &old, |info| info));
    assert_eq!(tried(&app, late).await, "", "both keys count while both are published");
    idp.use_keys(vec![new]);
    // A signature that is not good makes the server look again.
    let stranger = Key::new();
    let foreign = |trip: &Trip| {
        idp.response(&app, trip, &signed(&idp.assertion(&app, trip, "alice", NOBODY), &stranger, |info| info))
    };
    until("the old key is gone", async || {
        assert_eq!(tried(&app, foreign).await, "not-accepted");
        tried(&app, late).await == "not-accepted"
    })
    .await;
    idp.away(true);
    idp.browser(&app, "alice", NOBODY).await;
    // So it is after a start.
    let settings = idp.settings();
    let app = app.restarted(&settings.each_ref().map(String::as_str)).await;
    idp.browser(&app, "alice", NOBODY).await;
}

#[actix_web::test]
async fn a_provider_of_which_nothing_is_known_yet_is_asked_again() {
    let idp = SamlIdp::start().await;
    idp.away(true);
    let app = idp.app(&[]).await;
    let asked = async || send(app.anyone().bare("GET", "/api/v1/auth/saml/login")).await;
    assert_eq!(problem(&asked().await), "provider-away");
    idp.away(false);
    until("it is asked again", async || asked().await.header("location").contains("SAMLRequest")).await;
}

#[actix_web::test]
async fn older_paths_lead_to_the_same() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let metadata = app.anyone().get("/saml/metadata").await;
    assert_eq!(metadata.header("content-type"), "application/samlmetadata+xml");
    assert_eq!(metadata.body, app.anyone().get("/api/v1/auth/saml/metadata").await.body);
    // Where the older address is configured, it is the one that is told and the one that counts.
    let settings = idp.settings();
    let own =
        ["--public-url=http://localhost:9", "--saml-acs-url=http://localhost:9/saml/acs", "--saml-entity-id=urn:ours"];
    let app = app.restarted(&[&[settings[0].as_str()][..], &own].concat()).await;
    let told = app.anyone().get("/saml/metadata").await.body;
    let told = std::str::from_utf8(&told).expect("text");
    assert!(
        told.contains("entityID=\"urn:ours\"") && told.contains("Location=\"http://localhost:9/saml/acs\""),
        "{told}"
    );
    let right = |trip: &Trip| idp.response(&app, trip, &idp.sign(&idp.assertion(&app, trip, "alice", NOBODY)));
    let newer =
        |trip: &Trip| right(&Trip { acs: trip.acs.replace("/saml/acs", "/api/v1/auth/saml/acs"), ..trip.clone() });
    assert_eq!(tried(&app, newer).await, "not-accepted", "for the address that is not configured");
    assert_eq!(tried(&app, right).await, "", "the control");
}

#[actix_web::test]
async fn where_no_provider_is_configured_there_is_no_way_through_one() {
    let app = TestApp::start().await;
    for path in ["/api/v1/auth/saml/login", "/api/v1/auth/saml/metadata"] {
        assert_eq!(app.anyone().get(path).await.code(), "not-found", "{path}");
    }
    assert_eq!(posted(&app.anyone(), "application/x-www-form-urlencoded", "SAMLResponse=x").await.code(), "not-found");
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    assert_eq!(app.anyone().get("/api/v1/auth/saml/login?idp=other").await.code(), "not-found");
    assert_eq!(app.anyone().get("/api/v1/auth/saml/metadata").await.status, 200, "the control");
}

#[actix_web::test]
async fn an_assertion_may_be_encrypted_for_us_in_ways_that_cannot_be_played_with() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let tried = async |cipher, key, whole: bool, inner: bool| {
        let trip = Trip::begin(&app.anyone(), "/").await;
        let assertion = idp.assertion(&app, &trip, "alice", NOBODY);
        let assertion = if inner { idp.sign(&assertion) } else { assertion };
        let sealed = encrypted(&app.anyone(), &assertion, Encryption { cipher, key }).await;
        let response = idp.response(&app, &trip, &sealed);
        let response = if whole { idp.sign(&response) } else { response };
        problem(&trip.post(&app.anyone(), &response).await)
    };
    for (cipher, key, whole, inner) in [
        ("aes256-gcm", "rsa-oaep", false, true),
        ("aes128-gcm", "rsa-oaep-mgf1p", false, true),
        ("aes256-gcm", "rsa-oaep", true, false),
        ("aes256-cbc", "rsa-oaep-mgf1p", true, true),
        ("aes128-cbc", "rsa-oaep-mgf1p", true, false),
    ] {
        assert_eq!(tried(cipher, key, whole, inner).await, "", "{cipher} {key} {whole} {inner}");
    }
    for (what, cipher, key, whole, inner) in [
        ("nothing is signed", "aes256-gcm", "rsa-oaep", false, false),
        ("anybody could have changed the text", "aes256-cbc", "rsa-oaep", false, true),
        ("the key's padding gives it away", "aes256-gcm", "rsa-1_5", true, true),
    ] {
        assert_eq!(tried(cipher, key, whole, inner).await, "not-accepted", "{what}");
    }
}

#[actix_web::test]
async fn whatever_is_encrypted_is_answered() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    for (what, xml) in
        [("nothing", ""), ("text", "x"), ("a response", "<samlp:Response/>"), ("a DTD", "<!DOCTYPE a><a/>")]
    {
        let trip = Trip::begin(&app.anyone(), "/").await;
        let way = Encryption { cipher: "aes256-gcm", key: "rsa-oaep" };
        let sealed = encrypted(&app.anyone(), xml, way).await;
        let answer = trip.post(&app.anyone(), &idp.sign(&idp.response(&app, &trip, &sealed))).await;
        assert_eq!(problem(&answer), "not-accepted", "{what}");
    }
    let trip = Trip::begin(&app.anyone(), "/").await;
    let assertion = idp.sign(&idp.assertion(&app, &trip, "alice", NOBODY));
    let sealed = encrypted(&app.anyone(), &assertion, Encryption { cipher: "aes256-gcm", key: "rsa-oaep" }).await;
    let text = sealed.rsplit("<xenc:CipherValue>").next().and_then(|rest| rest.split('<').next()).expect("a text");
    for (what, from, to) in [
        ("another cipher", "aes256-gcm", "aes128-gcm"),
        ("an unknown cipher", "aes256-gcm", "aes512-gcm"),
        ("CBC", "2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#aes256-cbc"),
        ("a short text", text, "AAAA"),
        ("no text", text, ""),
        ("a text that is none", text, "!"),
        ("a changed text", &text[..8], "AAAAAAAA"),
        ("no key", "xenc:EncryptedKey", "xenc:Other"),
        ("another mask", "mgf1sha256", "mgf1sha512"),
        ("an unknown mask", "mgf1sha256", "mgf1md5"),
    ] {
        let changed = sealed.replace(from, to);
        assert_ne!(changed, sealed, "{what}");
        let trip = Trip::begin(&app.anyone(), "/").await;
        let answer = trip.post(&app.anyone(), &idp.sign(&idp.response(&app, &trip, &changed))).await;
        assert_eq!(problem(&answer), "not-accepted", "{what}");
    }
}
