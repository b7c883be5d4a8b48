//! What belongs to somebody carries a marker that no answer and no frame to anybody else contains.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    crd::{Session, SessionSpec, Template},
    http::routes,
    objects::Precondition,
};

use crate::support::{
    app::TestApp,
    client::{Client, send},
};

/// Stands in everything that is alice's, and in no URL.
const MARKER: &str = "mk7w2q9xmarker";

/// What stands in a URL's place of that name, by how the URL begins; what is not here is nobody's.
struct Ids(Vec<(&'static str, &'static str, String)>);

impl Ids {
    fn concrete(&self, path: &str) -> String {
        let value = |part: &str| {
            let known = self.0.iter().find(|(begin, name, _)| path.starts_with(begin) && *name == part);
            known.map_or_else(|| "there-is-none".to_owned(), |(_, _, value)| value.clone())
        };
        let parts = path.split('/').map(|part| if part.starts_with('{') { value(part) } else { part.to_owned() });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// Makes alice's things; root makes what she cannot.
async fn things(app: &TestApp, alice: &Client, root: &Client) -> Ids {
    assert_eq!(root.post("/api/v1/groups", json!({ "name": "lab", "displayName": MARKER })).await.status, 201);
    assert_eq!(root.send("PUT", "/api/v1/groups/lab/members/alice", &json!(null)).await.status, 204);
    let project = json!({ "name": "laser", "displayName": MARKER, "manager": "alice" });
    assert_eq!(root.post("/api/v1/projects", project).await.status, 201);
    let spec =
        json!({ "displayName": MARKER, "baseImage": "none", "vnc": { "port": 5900 }, "access": { "groups": ["lab"] } });
    let template = Template::new("closed", serde_json::from_value(spec).expect("a spec"));
    app.app.templates.create(&template).await.expect("created");
    let spec = SessionSpec {
        user: "alice".into(),
        template: "closed".into(),
        display_name: Some(MARKER.into()),
        tags: vec![MARKER.into()],
        ..SessionSpec::default()
    };
    app.app.sessions.create(&Session::new("hers", spec)).await.expect("created");
    assert_eq!(alice.patch("/api/v1/users/alice", json!({})).await.status, 403, "her name is hers to see alone");
    assert_eq!(root.patch("/api/v1/users/alice", json!({ "displayName": MARKER })).await.status, 200);
    let token = alice.post("/api/v1/tokens", json!({ "name": MARKER })).await.json();
    let share = alice.post("/api/v1/sessions/hers/shares", json!({ "group": "lab", "level": "use" })).await;
    assert_eq!(share.status, 201, "{share:?}");
    let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
    Ids(vec![
        ("/api/v1/sessions/", "{id}", "hers".into()),
        ("/api/v1/sessions/", "{share}", id(&share.json())),
        ("/api/v1/templates/", "{id}", "closed".into()),
        ("/api/v1/users/", "{name}", "alice".into()),
        ("/api/v1/groups/", "{name}", "lab".into()),
        ("/api/v1/groups/", "{user}", "alice".into()),
        ("/api/v1/projects/", "{name}", "laser".into()),
        ("/api/v1/projects/", "{user}", "alice".into()),
        ("/api/v1/tokens/", "{id}", id(&token)),
    ])
}

/// Every operation but those that end the caller's own sign-in or change the very things.
fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = routes::TABLE.iter().flat_map(|(path, operations)| operations.iter().map(|one| (one.method, *path)));
    all.filter(|(_, path)| !path.starts_with("/api/v1/auth/"))
}

/// The operations whose answer contains the marker, and how each was answered.
async fn told(client: &Client, ids: &Ids, methods: &[&str]) -> BTreeMap<String, u16> {
    let mut found = BTreeMap::new();
    for (method, path) in operations().filter(|(method, _)| methods.contains(method)) {
        let request = client.request(method, &ids.concrete(path));
        // A body that no operation takes: whatever is said about it must not tell of what is there either.
        let request = if method == "GET" { request } else { request.json(&json!(["no such body"])) };
        let answer = send(request).await;
        let whole = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        if whole.contains(MARKER) {
            found.insert(format!("{method} {path}"), answer.status);
        }
    }
    found
}

#[actix_web::test]
async fn nothing_of_somebodys_is_told_to_anybody_else_by_any_route() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    let alice = app.person("alice", &[Role::User]).await;
    let bob = app.person("bob", &[Role::User]).await;
    let ids = things(&app, &alice, &root).await;
    let hers = told(&alice, &ids, &["GET"]).await;
    // The control: she herself is told by these and others.
    for expected in ["sessions", "sessions/{id}", "templates", "projects/{name}", "tokens", "users/me", "audit"] {
        let operation = format!("GET /api/v1/{expected}");
        assert_eq!(hers.get(&operation), Some(&200), "{operation} in {hers:?}");
    }
    let nothing = BTreeMap::new();
    assert_eq!(told(&bob, &ids, &["GET", "POST", "PUT", "PATCH", "DELETE"]).await, nothing);
    assert_eq!(told(&app.anyone(), &ids, &["GET", "POST", "PUT", "PATCH", "DELETE"]).await, nothing);
    let after = told(&alice, &ids, &["GET"]).await;
    assert_eq!(after, hers, "and none of it was touched");
}

#[actix_web::test]
async fn no_frame_of_any_feed_tells_of_what_is_somebody_elses() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    let alice = app.person("alice", &[Role::User]).await;
    let bob = app.person("bob", &[Role::User]).await;
    things(&app, &alice, &root).await;
    let all = "/api/v1/ws/events?topics=sessions,templates,jobs,cluster,notifications,logs/local/hers";
    let (mut hers, mut his) = (alice.feed(all).await.expect("let in"), bob.feed(all).await.expect("let in"));
    let touch = json!({ "spec": { "tags": [MARKER, "again"] } });
    app.app.sessions.patch("hers", &touch, &Precondition::default()).await.expect("changed");
    let touch = json!({ "spec": { "description": MARKER } });
    app.app.templates.patch("closed", &touch, &Precondition::default()).await.expect("changed");
    let last = SessionSpec { user: "bob".into(), template: "closed".into(), ..SessionSpec::default() };
    app.app.sessions.create(&Session::new("last", last)).await.expect("created");
    // The control: her feed tells of it.
    assert!(hers.next_of("session.updated").await.to_string().contains(MARKER));
    loop {
        let frame = his.next().await;
        assert!(!frame.to_string().contains(MARKER), "{frame}");
        if frame["session"]["metadata"]["name"] == "last" {
            break;
        }
    }
}
