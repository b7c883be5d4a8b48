//! Signing out at a SAML provider and here.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    saml::NOBODY,
    support::{
        app::TestApp,
        client::{Answer, Client, send},
        idp::Idp,
        people::until,
        saml::{self, Key, SamlIdp, Trip, query, received},
    },
};

const ME: &str = "/api/v1/users/me";
const SLO: &str = "/api/v1/auth/saml/slo";

/// Two browsers of one person, and what the provider calls the sign-in of the first.
async fn two_browsers(idp: &SamlIdp, app: &TestApp) -> (Client, String, Client) {
    let trip = Trip::begin(&app.anyone(), "/").await;
    let assertion = idp.assertion(app, &trip, "alice", NOBODY);
    let index = assertion.split("SessionIndex=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an index");
    let answer = trip.post(&app.anyone(), &idp.response(app, &trip, &idp.sign(&assertion))).await;
    let first = app.anyone().browser(&answer.cookie().expect("a cookie"));
    (first, index.to_owned(), idp.browser(app, "alice", NOBODY).await)
}

async fn is_in(client: &Client) -> bool {
    client.get(ME).await.status == 200
}

async fn redirected(app: &TestApp, query: &str) -> Answer {
    send(app.anyone().bare("GET", &format!("{SLO}?{query}"))).await
}

async fn posted(app: &TestApp, message: &str) -> Answer {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let form = form.append_pair("SAMLRequest", &STANDARD.encode(message)).finish();
    let request = app.anyone().bare("POST", SLO).header("origin", "https://provider.example");
    send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

#[actix_web::test]
async fn who_signs_out_here_is_led_to_the_provider_to_sign_out_there() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let (first, index, second) = two_browsers(&idp, &app).await;
    let answer = first.post("/api/v1/auth/logout", serde_json::json!({})).await;
    let url: url::Url = answer.json()["location"].as_str().expect("an address").parse().expect("an address");
    assert_eq!((answer.status, url.path()), (200, "/slo"));
    let request = received(&app.anyone(), &url, "SAMLRequest").await;
    assert!(request.contains(">alice</saml:NameID>") && request.contains(&format!(">{index}</samlp:SessionIndex>")));
    assert!(request.contains("Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\""), "{request}");
    assert!(!is_in(&first).await && is_in(&second).await);
    let back = redirected(&app, "SAMLResponse=x&RelayState=https://evil.example").await;
    assert_eq!((back.status, back.header("location")), (303, "/sign-in"));
}

#[actix_web::test]
async fn who_came_in_otherwise_or_whose_provider_is_unknown_just_signs_out() {
    let (saml, oidc) = (SamlIdp::start().await, Idp::start().await);
    let both: Vec<String> = saml.settings().into_iter().chain(oidc.settings()).collect();
    let app = TestApp::with(&both.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let alice = oidc.browser(&app, "alice", &serde_json::json!({})).await;
    let answer = alice.post("/api/v1/auth/logout", serde_json::json!({})).await;
    assert_eq!(answer.status, 204);
    assert!(!is_in(&alice).await);
}

#[actix_web::test]
async fn a_provider_signs_out_the_sign_in_that_it_names_or_all_of_a_person() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    let (first, index, second) = two_browsers(&idp, &app).await;
    let bob = idp.browser(&app, "bob", NOBODY).await;
    let request = idp.logout(&app, "alice", &[&index]);
    let answer = redirected(&app, &query("SAMLRequest", &request, Some("their state"), &idp.key())).await;
    let url: url::Url = answer.header("location").parse().unwrap_or_else(|_| panic!("{answer:?}"));
    assert_eq!(url.path(), "/slo/answer");
    assert!(url.query_pairs().any(|pair| pair == ("RelayState".into(), "their state".into())), "{url}");
    let said = received(&app.anyone(), &url, "SAMLResponse").await;
    let id = saml::id_of(&request);
    assert!(said.contains("status:Success") && said.contains(&format!("InResponseTo=\"{id}\"")), "{said}");
    until("the first is out", async || !is_in(&first).await).await;
    assert!(is_in(&second).await);
    // By a page that posts, and of all.
    let all = idp.sign(&idp.logout(&app, "alice", &[]));
    assert!(posted(&app, &all).await.header("location").contains("SAMLResponse="));
    until("the second is out", async || !is_in(&second).await).await;
    assert!(is_in(&bob).await, "others stay");
    let entries = admin.get("/api/v1/audit?action=auth.sign-out").await.json();
    assert_eq!(entries["items"][0]["target"], "user/alice", "{entries}");
}

#[actix_web::test]
async fn nobody_else_signs_people_out() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let alice = idp.browser(&app, "alice", NOBODY).await;
    let (request, key) = (|| idp.logout(&app, "alice", &[]), idp.key());
    let made = |seconds: i64| {
        let request = request();
        request.replace(&saml::moment(&request, 0), &saml::moment(&request, seconds))
    };
    let signed = |message: &str| query("SAMLRequest", message, None, &key);
    let good = signed(&request());
    let (unsigned, _) = good.split_once("&SigAlg").expect("a signature");
    for (what, forged) in [
        ("unsigned", unsigned.to_owned()),
        ("by a stranger", query("SAMLRequest", &request(), None, &Key::new())),
        ("with another's signature", format!("{unsigned}&{}", signed(&request()).split_once('&').expect("a query").1)),
        ("with a state that was not signed", good.replace("&SigAlg", "&RelayState=x&SigAlg")),
        ("with a weak algorithm", good.replace("rsa-sha256", "rsa-md5")),
        ("of long ago", signed(&made(-420))),
        ("of later", signed(&made(120))),
        ("for another place", signed(&request().replace(SLO, "/elsewhere"))),
        ("by another provider", signed(&request().replace("/entity<", "/other<"))),
        ("an answer", signed(&request().replace("LogoutRequest", "LogoutResponse"))),
        ("with a comment", signed(&request().replace(">alice<", ">ali<!-- -->ce<"))),
        ("not compressed", "SAMLRequest=PGEvPg%3D%3D&SigAlg=x&Signature=x".to_owned()),
    ] {
        let answer = redirected(&app, &forged).await;
        assert!(answer.header("location").starts_with("/sign-in?problem=not-accepted"), "{what}: {answer:?}");
    }
    for (what, forged) in [
        ("unsigned", request()),
        ("by a stranger", saml::signed(&request(), &Key::new(), |info| info)),
        ("changed afterwards", idp.sign(&idp.logout(&app, "bob", &[])).replace(">bob<", ">alice<")),
    ] {
        let answer = posted(&app, &forged).await;
        assert!(answer.header("location").starts_with("/sign-in?problem=not-accepted"), "{what}: {answer:?}");
    }
    assert!(is_in(&alice).await);
    assert!(redirected(&app, &good).await.header("location").contains("SAMLResponse="), "the control");
    until("alice is out", async || !is_in(&alice).await).await;
    let again = idp.browser(&app, "alice", NOBODY).await;
    let replayed = redirected(&app, &good).await;
    assert!(replayed.header("location").starts_with("/sign-in?problem=not-accepted"), "{replayed:?}");
    assert!(is_in(&again).await, "a request counts once");
}
