//! What people see where no app answers.

use streamspace::{
    crd::{Phase, Reason, Verdict},
    domain::conditions::{Holds, set},
};

use super::world::{Entry, PORT, World};
use crate::support::program::Program;

/// A person waits for a page.
const PAGE: &str = "accept: text/html,*/*;q=0.8\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";

/// A session in that phase, and a way in.
async fn asleep(world: &World, phase: Phase) -> (String, Entry) {
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    let entry = world.enter(&browser, &session).await;
    world.become_(&session, phase).await;
    (session, entry)
}

#[actix_web::test]
async fn a_starting_session_shows_how_far_it_is_and_then_the_app_itself() {
    let world = World::start().await;
    let (session, entry) = asleep(&world, Phase::Starting).await;
    world
        .status(&session, |status| {
            let now = "2030-01-01T00:00:00Z".parse().unwrap();
            set(&mut status.conditions, "HomeReady", Holds::True, "Made", "made", None, now);
            set(&mut status.conditions, "WorkloadReady", Holds::False, "Pulling", "<pulling>", None, now);
        })
        .await;
    let (head, page) = world.ask(&entry, "GET", "/lab/tree?x=1", PAGE).await;
    assert_eq!((head.status(), head.one("retry-after"), head.one("cache-control")), (503, "1", "no-store"));
    assert!(page.contains("is starting") && page.contains("<li class=done>Files are there"), "{page}");
    assert!(page.contains("<li class=open>Program started <small>&lt;pulling&gt;</small>"), "{page}");
    assert!(page.contains("<script src=/.streamspace/start.js defer></script>"), "{page}");
    let policy = head.all("content-security-policy");
    assert!(policy[0].contains("default-src 'none'") && !policy[0].contains("unsafe"), "{policy:?}");
    for (file, media_type) in [("start.js", "text/javascript"), ("page.css", "text/css")] {
        let (head, _) = world.get(&entry, &format!("/.streamspace/{file}")).await;
        assert!(head.one("content-type").starts_with(media_type), "{}", head.text);
    }
    let state = async || {
        let (_, text) = world.get(&entry, "/.streamspace/state").await;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!((&state().await["ready"], &state().await["steps"][3]["note"]), (&false.into(), &"<pulling>".into()));
    world.become_(&session, Phase::Running).await;
    assert_eq!(state().await["title"], format!("{session} does not answer"));
    let program = Program::echo().await;
    world.engine.lead(&session, PORT, &program);
    assert_eq!(state().await["ready"], true);
    assert_eq!(world.ask(&entry, "GET", "/lab/tree?x=1", PAGE).await.0.status(), 200);
}

#[actix_web::test]
async fn a_failed_session_shows_what_the_doctor_found() {
    let world = World::start().await;
    let (session, entry) = asleep(&world, Phase::Failed).await;
    world
        .status(&session, |status| {
            status.doctor = Some(Verdict {
                reason: Reason::ProgramMissing,
                message: "Xvnc is <missing>.".into(),
                remedy: "Install it.".into(),
                action: None,
                since: None,
            });
        })
        .await;
    let (head, page) = world.ask(&entry, "GET", "/", PAGE).await;
    assert_eq!(head.status(), 503);
    assert!(page.contains("could not start") && page.contains("Xvnc is &lt;missing&gt;. Install it."), "{page}");
    assert!(page.contains(&format!("href=\"http://localhost:{}/sessions/{session}\"", world.app.address().port())));
    assert!(!page.contains("<script"), "nothing will change by itself: {page}");
}

#[actix_web::test]
async fn a_hibernated_session_can_be_woken_by_way_of_the_dashboard() {
    let world = World::start().await;
    let (session, entry) = asleep(&world, Phase::Hibernated).await;
    let (head, page) = world.ask(&entry, "GET", "/", PAGE).await;
    assert_eq!(head.status(), 503);
    assert!(page.contains("is asleep") && page.contains(">Wake</a>"), "{page}");
    assert!(
        page.contains(&format!(
            "target=_top href=\"http://localhost:{}/sessions/{session}\"",
            world.app.address().port()
        ))
    );
    let (head, data) = world.get(&entry, "/api/data").await;
    assert_eq!((head.status(), head.one("content-type")), (503, "application/problem+json"), "{data}");
}

#[actix_web::test]
async fn one_without_a_way_in_gets_a_page_with_one_button_and_no_more() {
    let world = World::start().await;
    let session = world.session("alice").await;
    let port = world.app.address().port();
    let stranger = |name: &str| Entry { host: format!("{name}.localhost:{port}"), cookie: String::new() };
    let (head, page) = world.ask(&stranger(&session), "GET", "/secret", PAGE).await;
    assert_eq!(head.status(), 403);
    assert_eq!(page.matches("<a ").count(), 1);
    assert!(page.contains(&format!("href=\"http://localhost:{port}/sessions/{session}\"")), "{page}");
    // It says nothing about whether there is such a session.
    let (_, nowhere) = world.ask(&stranger("nobody-web-00000000"), "GET", "/secret", PAGE).await;
    assert_eq!(nowhere, page.replace(&session, "nobody-web-00000000"));
}

#[actix_web::test]
async fn a_session_that_is_seen_in_the_viewer_leads_to_it() {
    let world = World::start().await;
    world.template("desktop", serde_json::json!({ "vnc": { "port": 5900 } })).await;
    let browser = world.browser("alice").await;
    let session = world.session_of("alice", "desktop", Phase::Running).await;
    let opened = browser.connect(&session).await;
    assert_eq!(opened["url"], format!("http://localhost:{}/sessions/{session}", world.app.address().port()));
    assert_eq!((&opened["ready"], &opened["state"]), (&true.into(), &"running".into()));
}

#[actix_web::test]
async fn there_is_nothing_else_of_ours_on_an_apps_origin() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    for path in ["/.streamspace/", "/.streamspace/nothing", "/.streamspace/../x"] {
        assert_eq!(world.get(&entry, path).await.0.status(), 404, "{path}");
    }
    assert_eq!(world.ask(&entry, "POST", "/.streamspace/enter", "").await.0.status(), 405);
    // The platform's API is the app's there.
    assert!(world.get(&entry, "/api/v1/users/me").await.1.starts_with("GET /api/v1/users/me"));
}
