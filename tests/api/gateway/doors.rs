//! Who comes in, and who does not.

use jiff::SignedDuration;
use streamspace::{auth::Role, crd::Phase};

use super::world::{Entry, PORT, World};
use crate::support::program::Program;

#[actix_web::test]
async fn a_ticket_lets_a_browser_in_once_and_leads_to_a_clean_address() {
    let world = World::start().await;
    let program = Program::echo().await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    world.engine.lead(&session, PORT, &program);
    let url = browser.connect(&session).await["url"].as_str().unwrap().to_owned();
    let first = world.visit(&url).await;
    assert_eq!((first.status(), first.one("location")), (303, "/start"));
    assert_eq!((first.one("referrer-policy"), first.one("cache-control")), ("no-referrer", "no-store"));
    let cookie = first.one("set-cookie");
    assert!(cookie.starts_with("__Host-app="), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} in {cookie}");
    }
    assert_eq!(world.get(&Entry::of(&url, &first), "/").await.0.status(), 200);
    assert_eq!(world.visit(&url).await.status(), 403);
}

#[actix_web::test]
async fn a_ticket_is_good_for_thirty_seconds() {
    let world = World::start().await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    let ticket = async || browser.connect(&session).await["url"].as_str().unwrap().to_owned();
    let (late, in_time) = (ticket().await, ticket().await);
    world.app.clock.advance(SignedDuration::from_secs(29));
    assert_eq!(world.visit(&in_time).await.status(), 303);
    world.app.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(world.visit(&late).await.status(), 403);
}

#[actix_web::test]
async fn a_ticket_is_for_its_own_session_and_a_browser_that_guesses_does_not_use_it_up() {
    let world = World::start().await;
    let browser = world.browser("alice").await;
    let (session, other) = (world.session("alice").await, world.session("alice").await);
    let url = browser.connect(&session).await["url"].as_str().unwrap().to_owned();
    let (_, target) = url.split_once(".localhost").unwrap();
    let target = &target[target.find('/').unwrap()..];
    let port = world.app.address().port();
    let request = |session: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: {session}.localhost:{port}\r\n{headers}\r\n")
    };
    assert_eq!(world.raw(&request(&session, "sec-purpose: prefetch\r\n")).await.0.status(), 403);
    assert_eq!(world.raw(&request(&session, "")).await.0.status(), 303);
    let second = browser.connect(&session).await["url"].as_str().unwrap().replace(&session, &other);
    assert_eq!(world.visit(&second).await.status(), 403);
}

#[actix_web::test]
async fn a_redeemed_ticket_leads_to_no_other_origin() {
    let world = World::start().await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    for (to, location) in [
        ("/lab%3Fa=1", "/lab?a=1"),
        ("//evil.test", "/start"),
        ("/%5Cevil.test", "/start"),
        ("https://evil.test", "/start"),
    ] {
        let url = browser.connect(&session).await["url"].as_str().unwrap().to_owned();
        let answer = world.visit(&format!("{url}&to={to}")).await;
        assert_eq!((answer.status(), answer.one("location")), (303, location), "{to}");
    }
}

#[actix_web::test]
async fn without_a_cookie_of_this_session_nobody_comes_in() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (browser, session, entry) = world.opened(&program).await;
    let other = world.session("alice").await;
    world.engine.lead(&other, PORT, &program);
    let other = world.enter(&browser, &other).await;
    let asked = |cookie: &str| Entry { host: entry.host.clone(), cookie: cookie.to_owned() };
    let dials = world.engine.dials();
    let mut forged = entry.cookie.clone().into_bytes();
    *forged.last_mut().unwrap() ^= 1;
    for cookie in ["", "__Host-app=", "a=b", &other.cookie, browser.cookie(), std::str::from_utf8(&forged).unwrap()] {
        let (refused, text) = world.get(&asked(cookie), "/").await;
        assert_eq!(refused.status(), 403, "{cookie}: {text}");
    }
    // What is not there looks the same as what is another's.
    let nowhere = Entry { host: entry.host.replace(&session, "nobody-web-00000000"), cookie: entry.cookie.clone() };
    assert_eq!(world.get(&nowhere, "/").await.0.status(), 403);
    assert_eq!(world.engine.dials(), dials);
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
}

#[actix_web::test]
async fn another_persons_session_looks_as_if_it_did_not_exist() {
    let world = World::start().await;
    let session = world.session("alice").await;
    let mallory = world.browser("mallory").await;
    for (method, call) in [("POST", "connect"), ("GET", "connections"), ("GET", "vnc")] {
        let refused = mallory.call(method, &format!("/api/v1/sessions/{session}/{call}"), None).await;
        assert_eq!((refused.status, refused.json()["code"].as_str().unwrap().to_owned()), (404, "not-found".into()));
    }
    for call in ["heartbeat", "disconnect"] {
        let body = serde_json::json!({ "connectionId": uuid::Uuid::nil() });
        let refused = mallory.post(&format!("/api/v1/sessions/{session}/{call}"), body).await;
        assert_eq!(refused.status, 404, "{call}");
    }
    let snooze = serde_json::json!({ "for": "1h" });
    assert_eq!(mallory.post(&format!("/api/v1/sessions/{session}/snooze"), snooze).await.status, 404);
    assert_eq!(mallory.activity(&session).await, serde_json::Value::Null);
}

#[actix_web::test]
async fn an_administrator_may_enter_and_an_operator_only_see() {
    let world = World::start().await;
    let program = Program::echo().await;
    let session = world.session("alice").await;
    world.engine.lead(&session, PORT, &program);
    let operator = world.browser_of("otto", &[Role::Operator]).await;
    let refused = operator.call("POST", &format!("/api/v1/sessions/{session}/connect"), None).await;
    assert_eq!(refused.status, 403);
    assert_eq!(operator.get(&format!("/api/v1/sessions/{session}/connections")).await.status, 200);
    let admin = world.browser_of("ada", &[Role::Admin]).await;
    let entry = world.enter(&admin, &session).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    let audit = admin.get("/api/v1/audit?search=session.enter").await.json();
    assert_eq!(audit["items"][0]["target"], format!("session/{session}"));
}

#[actix_web::test]
async fn who_signs_out_or_is_disabled_is_out_at_the_next_request() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (alice, _, entry) = world.opened(&program).await;
    let second = world.browser_again(&alice).await;
    let session = world.session("alice").await;
    world.engine.lead(&session, PORT, &program);
    let other = world.enter(&second, &session).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    assert_eq!(alice.call("POST", "/api/v1/auth/logout", None).await.status, 204);
    world.until_refused(&entry).await;
    // The other browser of the same person is still signed in.
    assert_eq!(world.get(&other, "/").await.0.status(), 200);
    let admin = world.browser_of("ada", &[Role::Admin]).await;
    let disabled = serde_json::json!({ "disabled": true });
    let answer = admin.call("PATCH", "/api/v1/users/alice", Some(disabled)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    world.until_refused(&other).await;
}

#[actix_web::test]
async fn a_session_made_anew_under_the_same_name_is_another() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    let sessions = &world.app.app.sessions;
    sessions.delete(&session, &streamspace::objects::Precondition::default()).await.unwrap();
    assert_eq!(world.get(&entry, "/").await.0.status(), 403);
    world.create(&session, "alice", "web").await;
    world.become_(&session, Phase::Running).await;
    assert_eq!(world.get(&entry, "/").await.0.status(), 403);
}

#[actix_web::test]
async fn pages_of_other_sites_lead_here_by_navigation_and_in_no_other_way() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    let own = format!("origin: {}\r\n", entry.origin());
    let sibling = format!("origin: {}\r\n", entry.origin().replace(&session, "mallory-web-00000000"));
    let dashboard = format!("origin: http://localhost:{}\r\n", world.app.address().port());
    let allowed = [
        ("GET", String::new()),
        ("POST", String::new()),
        ("POST", own.clone()),
        ("POST", format!("{own}sec-fetch-site: same-origin\r\n")),
        ("GET", "sec-fetch-site: none\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n".into()),
        ("GET", "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n".into()),
        ("GET", "sec-fetch-site: same-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n".into()),
    ];
    for (method, headers) in &allowed {
        assert_eq!(world.ask(&entry, method, "/", headers).await.0.status(), 200, "{method} {headers}");
    }
    let refused = [
        ("GET", sibling.clone()),
        ("POST", sibling),
        ("POST", dashboard),
        ("POST", "origin: null\r\n".into()),
        ("GET", "sec-fetch-site: same-site\r\nsec-fetch-mode: no-cors\r\nsec-fetch-dest: script\r\n".into()),
        ("GET", "sec-fetch-site: cross-site\r\nsec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\n".into()),
        ("GET", "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: object\r\n".into()),
        ("POST", "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n".into()),
    ];
    for (method, headers) in &refused {
        assert_eq!(world.ask(&entry, method, "/", headers).await.0.status(), 403, "{method} {headers}");
    }
}

#[actix_web::test]
async fn get_connect_is_for_programs_with_a_token_of_their_own() {
    let world = World::start().await;
    let alice = world.browser("alice").await;
    let session = world.session("alice").await;
    let path = format!("/api/v1/sessions/{session}/connect");
    assert_eq!(alice.get(&path).await.status, 403);
    let token = alice.post("/api/v1/tokens", serde_json::json!({ "name": "cli" })).await.json();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let asked = world.app.anyone().request("GET", &path).header("authorization", bearer);
    let answer = crate::support::client::send(asked).await;
    assert_eq!(answer.status, 200);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    let program = Program::echo().await;
    world.engine.lead(&session, PORT, &program);
    let entry = Entry::of(&url, &world.visit(&url).await);
    assert_eq!(world.get(&entry, "/").await.0.status(), 200);
    let revoke = format!("/api/v1/tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(alice.call("DELETE", &revoke, None).await.status, 204);
    world.until_refused(&entry).await;
}
