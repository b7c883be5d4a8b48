//! All apps below one name, for sites without a wildcard name.

use serde_json::json;
use streamspace::crd::Phase;

use super::world::{Entry, PORT, World};
use crate::support::program::Program;

async fn below_one_name() -> World {
    World::with(&["--apps-routing=host", "--apps-domain=apps.localhost"]).await
}

#[actix_web::test]
async fn a_ticket_leads_below_the_sessions_own_path_and_the_program_is_asked_without_it() {
    let world = below_one_name().await;
    let program = Program::echo().await;
    let (browser, session, entry) = world.opened(&program).await;
    let url = browser.connect(&session).await["url"].as_str().unwrap().to_owned();
    let prefix = format!("/s/{session}");
    assert!(url.starts_with(&format!("http://apps.localhost:{}{prefix}/", world.app.address().port())), "{url}");
    let entered = world.visit(&url).await;
    assert_eq!((entered.status(), entered.one("location")), (303, format!("{prefix}/start").as_str()));
    let cookie = entered.one("set-cookie");
    assert!(cookie.starts_with("__Secure-app=") && cookie.contains(&format!("; Path={prefix}/;")), "{cookie}");
    let (head, asked) = world.get(&entry, &format!("{prefix}/a?b=c")).await;
    assert_eq!(head.status(), 200);
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1"), "{asked}");
    assert!(asked.contains(&format!("x-forwarded-prefix: {prefix}")), "{asked}");
    assert!(!asked.contains("__Secure-app"), "{asked}");
    let (bare, _) = world.get(&entry, &prefix).await;
    assert_eq!((bare.status(), bare.one("location")), (303, format!("{prefix}/").as_str()));
}

#[actix_web::test]
async fn a_program_that_serves_below_its_path_itself_is_asked_with_it() {
    let world = below_one_name().await;
    world.template("below", json!({ "webapp": { "port": PORT, "path": "/lab", "keepPrefix": true } })).await;
    let program = Program::echo().await;
    let browser = world.browser("alice").await;
    let session = world.session_of("alice", "below", Phase::Running).await;
    world.engine.lead(&session, PORT, &program);
    let entry = world.enter(&browser, &session).await;
    let (_, asked) = world.get(&entry, &format!("/s/{session}/lab")).await;
    assert!(asked.starts_with(&format!("GET /s/{session}/lab HTTP/1.1")), "{asked}");
}

#[actix_web::test]
async fn a_way_into_one_session_is_none_into_another_and_other_paths_and_names_are_no_apps() {
    let world = below_one_name().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    let other = world.session("alice").await;
    world.engine.lead(&other, PORT, &program);
    let status = async |path: &str| world.get(&entry, path).await.0.status();
    assert_eq!(status(&format!("/s/{session}/x")).await, 200);
    assert_eq!(status(&format!("/s/{other}/x")).await, 403);
    assert_eq!(status("/x").await, 421, "nothing of the dashboard is there");
    assert_eq!(status("/api/v1/system").await, 421);
    let own_name = Entry { host: format!("{session}.apps.localhost:{}", world.app.address().port()), ..entry.clone() };
    assert_eq!(world.get(&own_name, "/x").await.0.status(), 421);
    let dashboard = Entry { host: format!("localhost:{}", world.app.address().port()), ..entry };
    let (_, page) = world.get(&dashboard, &format!("/s/{session}/x")).await;
    assert!(!page.starts_with("GET /x"), "{page}");
}

#[actix_web::test]
async fn the_page_of_a_session_that_starts_brings_its_files_along() {
    let world = below_one_name().await;
    let program = Program::echo().await;
    let (_, session, entry) = world.opened(&program).await;
    world.become_(&session, Phase::Starting).await;
    let path = format!("/s/{session}");
    let (head, page) = world.ask(&entry, "GET", &format!("{path}/"), "accept: text/html\r\n").await;
    assert_eq!(head.status(), 503);
    let script = format!("{path}/.streamspace/start.js");
    assert!(page.contains(&format!("<script src={script} defer>")), "{page}");
    assert_eq!(world.get(&entry, &script).await.0.status(), 200);
    let (head, state) = world.get(&entry, &format!("{path}/.streamspace/state")).await;
    assert_eq!(head.status(), 200);
    assert!(state.contains("is starting"), "{state}");
}
