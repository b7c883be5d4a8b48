//! Who may do what with whose: every route that names something, asked by everybody about alice's, against a table that
//! is written by hand. Which role gets past the door, permissions.rs tries; with guests of a session, shares.rs.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    crd::{Session, SessionSpec, Template},
    http::routes,
};

use crate::support::{
    app::TestApp,
    client::{Client, send},
};

/// alice, whose it is; a mate in her group and her project; a stranger; operator, auditor, administrator.
const PEOPLE: [&str; 6] = ["alice", "mate", "stranger", "operator", "auditor", "admin"];

/// Method, URL, body, and what each of [`PEOPLE`] is answered.
///
/// Whoever adds a route that names something adds a line here or to [`NOBODYS`], thinks about it, and does not copy what
/// the code says.
#[rustfmt::skip]
fn table() -> Vec<(&'static str, &'static str, Value, [u16; 6])> {
    let none = json!(null);
    let connection = json!({ "connectionId": "{connection}", "active": false });
    let closed = json!({ "connectionId": "{connection}" });
    vec![
        //                                                             alice mate stranger operator auditor admin
        // Sessions are their owners'; who runs the place sees and changes them, an auditor sees them.
        ("GET", "/api/v1/sessions/{id}", none.clone(),                          [200, 404, 404, 200, 200, 200]),
        ("PATCH", "/api/v1/sessions/{id}", json!({ "tags": [] }),               [200, 404, 404, 200, 403, 200]),
        ("DELETE", "/api/v1/sessions/{id}", none.clone(),                       [204, 404, 404, 204, 403, 204]),
        ("POST", "/api/v1/sessions/{id}/restart", none.clone(),                 [409, 404, 404, 409, 403, 409]),
        ("GET", "/api/v1/sessions/{id}/events", none.clone(),                   [200, 404, 404, 200, 200, 200]),
        ("GET", "/api/v1/sessions/{id}/lifecycle", none.clone(),                [200, 404, 404, 200, 200, 200]),
        ("GET", "/api/v1/sessions/{id}/logs", none.clone(),                     [200, 404, 404, 200, 200, 200]),
        ("GET", "/api/v1/sessions/{id}/connections", none.clone(),              [200, 404, 404, 200, 200, 200]),
        // Only an administrator enters another's session; what is open there is whose it is.
        ("POST", "/api/v1/sessions/{id}/connect", none.clone(),                 [200, 404, 404, 403, 403, 200]),
        ("POST", "/api/v1/sessions/{id}/heartbeat", connection,                 [200, 404, 404, 403, 403, 403]),
        ("POST", "/api/v1/sessions/{id}/disconnect", closed,                    [204, 404, 404, 403, 403, 403]),
        ("POST", "/api/v1/sessions/{id}/snooze", json!({ "for": "1s" }),        [400, 404, 404, 403, 403, 400]),
        ("GET", "/api/v1/sessions/{id}/shares", none.clone(),                   [200, 404, 404, 200, 200, 200]),
        ("POST", "/api/v1/sessions/{id}/shares", json!({ "user": "x", "level": "use" }), [400, 404, 404, 403, 403, 400]),
        ("DELETE", "/api/v1/sessions/{id}/shares/{share}", none.clone(),        [204, 404, 404, 403, 403, 204]),
        ("GET", "/api/v1/sessions/{id}/invitations", none.clone(),              [200, 404, 404, 200, 200, 200]),
        ("POST", "/api/v1/sessions/{id}/invitations", json!({ "level": "use", "uses": 0, "expiresAt": "2020-01-01T00:00:00Z" }),
                                                                                [400, 404, 404, 403, 403, 400]),
        ("DELETE", "/api/v1/sessions/{id}/invitations/{invitation}", none.clone(), [204, 404, 404, 403, 403, 204]),
        // A template for her group is there for those who belong to it, and for whoever reads everything.
        ("GET", "/api/v1/templates/{id}", none.clone(),                         [200, 200, 404, 404, 200, 200]),
        ("PATCH", "/api/v1/templates/{id}", json!({ "tags": [] }),              [403, 403, 403, 403, 403, 200]),
        // Nobody but she knows of her tokens.
        ("DELETE", "/api/v1/tokens/{id}", none.clone(),                         [204, 404, 404, 404, 404, 404]),
        // Her account is not hers to change by its name, and what is known of it is for those who see people.
        ("GET", "/api/v1/users/{name}", none.clone(),                           [403, 403, 403, 200, 200, 200]),
        ("PATCH", "/api/v1/users/{name}", json!({ "displayName": "Alice" }),    [403, 403, 403, 403, 403, 200]),
        ("GET", "/api/v1/users/{name}/groups", none.clone(),                    [403, 403, 403, 200, 200, 200]),
        ("GET", "/api/v1/users/{name}/quota", none.clone(),                     [403, 403, 403, 200, 200, 200]),
        ("PUT", "/api/v1/users/{name}/quota", json!({}),                        [403, 403, 403, 403, 403, 200]),
        ("DELETE", "/api/v1/users/{name}/quota", none.clone(),                  [403, 403, 403, 403, 403, 204]),
        ("GET", "/api/v1/users/{name}/identities", none.clone(),                [403, 403, 403, 200, 200, 200]),
        ("POST", "/api/v1/users/{name}/identities", json!({ "issuer": "", "subject": "" }), [403, 403, 403, 403, 403, 400]),
        ("POST", "/api/v1/users/{name}/sign-in-link", none.clone(),             [403, 403, 403, 403, 403, 201]),
        // Who belongs to a group sees it no more than others do.
        ("GET", "/api/v1/groups/{name}", none.clone(),                          [403, 403, 403, 200, 200, 200]),
        ("PATCH", "/api/v1/groups/{name}", json!({ "displayName": "Lab" }),     [403, 403, 403, 403, 403, 200]),
        ("DELETE", "/api/v1/groups/{name}", none.clone(),                       [403, 403, 403, 403, 403, 204]),
        ("GET", "/api/v1/groups/{name}/members", none.clone(),                  [403, 403, 403, 200, 200, 200]),
        ("PUT", "/api/v1/groups/{name}/members/{user}", none.clone(),           [403, 403, 403, 403, 403, 204]),
        ("DELETE", "/api/v1/groups/{name}/members/{user}", none.clone(),        [403, 403, 403, 403, 403, 204]),
        ("GET", "/api/v1/groups/{name}/quota", none.clone(),                    [403, 403, 403, 200, 200, 200]),
        ("PUT", "/api/v1/groups/{name}/quota", json!({}),                       [403, 403, 403, 403, 403, 200]),
        ("DELETE", "/api/v1/groups/{name}/quota", none.clone(),                 [403, 403, 403, 403, 403, 204]),
        // She manages the project, the mate is a member, and may leave; for a stranger it is not there.
        ("GET", "/api/v1/projects/{name}", none.clone(),                        [200, 200, 404, 200, 200, 200]),
        ("PATCH", "/api/v1/projects/{name}", json!({ "displayName": "Laser" }), [200, 403, 404, 403, 403, 200]),
        ("DELETE", "/api/v1/projects/{name}", none.clone(),                     [403, 403, 403, 403, 403, 204]),
        ("GET", "/api/v1/projects/{name}/members", none.clone(),                [200, 200, 404, 200, 200, 200]),
        ("PUT", "/api/v1/projects/{name}/members/{user}", json!({ "role": "member" }), [204, 403, 404, 403, 403, 204]),
        ("DELETE", "/api/v1/projects/{name}/members/{user}", none.clone(),      [204, 204, 404, 403, 403, 204]),
        ("GET", "/api/v1/projects/{name}/quota", none.clone(),                  [200, 200, 404, 200, 200, 200]),
        ("PUT", "/api/v1/projects/{name}/quota", json!({}),                     [403, 403, 403, 403, 403, 200]),
        ("DELETE", "/api/v1/projects/{name}/quota", none.clone(),               [403, 403, 403, 403, 403, 204]),
        // Jobs are whose who asked for them. Driving one again is for those who run the place.
        ("GET", "/api/v1/jobs/{id}", none.clone(),                              [200, 404, 404, 200, 200, 200]),
        ("GET", "/api/v1/jobs/{id}/logs", none.clone(),                         [200, 404, 404, 200, 200, 200]),
        ("POST", "/api/v1/jobs/{id}/cancel", none,                              [202, 404, 404, 202, 403, 202]),
    ]
}

/// What belongs to nobody, by how its URLs begin: there the role is all that counts.
const NOBODYS: &[&str] = &[
    "/api/admin/nodes/",
    "/api/v1/catalog/",
    "/api/v1/cluster/{plural}",
    "/api/v1/rbac-mappings/",
    "/api/v1/service-accounts/",
    "/openapi-ui/",
];

/// Routes that need more than a request, or change too much, and where they are tried.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/sessions/{id}/connect", "takes a token alone: permissions.rs, the same function as POST"),
    ("GET", "/api/v1/sessions/{id}/vnc", "opens a socket: gateway/"),
    ("GET", "/api/v1/ws/logs/{namespace}/{pod}", "opens a socket: live.rs, marker.rs"),
    ("GET", "/api/v1/cluster/pods/{namespace}/{name}/logs", "whose the output of a run is: cluster.rs"),
    ("PUT", "/api/v1/templates/{id}", "as PATCH"),
    ("DELETE", "/api/v1/templates/{id}", "as PATCH"),
    ("POST", "/api/v1/templates/{id}/upgrade", "as PATCH"),
    ("POST", "/api/v1/templates/{id}/rollback", "as PATCH"),
    ("DELETE", "/api/v1/users/{name}", "as PATCH; users.rs"),
    ("DELETE", "/api/v1/users/{name}/identities/{id}", "as POST"),
    ("POST", "/api/v1/jobs/{id}/retry", "by the role alone: permissions.rs"),
];

/// A server with alice and the others.
struct Place {
    app: TestApp,
    people: [Client; 6],
    made: AtomicUsize,
}

impl Place {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let user = [Role::User];
        let people = [
            app.person("alice", &user).await,
            app.person("mate", &user).await,
            app.person("stranger", &user).await,
            app.person("operator", &[Role::Operator]).await,
            app.person("auditor", &[Role::Auditor]).await,
            app.person("root", &[Role::Admin]).await,
        ];
        let place = Self { app, people, made: AtomicUsize::new(0) };
        place.group("lab").await;
        let spec = json!({
            "displayName": "Lab", "baseImage": "none", "webapp": { "port": 80 }, "access": { "groups": ["lab"] },
        });
        let template = Template::new("closed", serde_json::from_value(spec).expect("a spec"));
        place.app.app.templates.create(&template).await.expect("created");
        place
    }

    fn alice(&self) -> &Client {
        &self.people[0]
    }

    fn root(&self) -> &Client {
        &self.people[5]
    }

    /// A name that nothing has.
    fn fresh(&self, kind: &str) -> String {
        format!("{kind}-{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    async fn group(&self, name: &str) {
        assert_eq!(self.root().post("/api/v1/groups", json!({ "name": name })).await.status, 201);
        for user in ["alice", "mate"] {
            let path = format!("/api/v1/groups/{name}/members/{user}");
            assert_eq!(self.root().send("PUT", &path, &json!(null)).await.status, 204);
        }
    }

    async fn project(&self, name: &str) {
        let new = json!({ "name": name, "manager": "alice" });
        assert_eq!(self.root().post("/api/v1/projects", new).await.status, 201);
        let path = format!("/api/v1/projects/{name}/members/mate");
        assert_eq!(self.alice().send("PUT", &path, &json!({ "role": "member" })).await.status, 204);
    }

    async fn session(&self) -> String {
        let name = self.fresh("hers");
        let spec = SessionSpec { user: "alice".into(), template: "closed".into(), ..SessionSpec::default() };
        self.app.app.sessions.create(&Session::new(&name, spec)).await.expect("created");
        name
    }

    async fn job(&self) -> String {
        let name = self.fresh("job");
        let sql = "INSERT INTO jobs (id, type, target, status, payload, collapsible, max_attempts, run_after, created_by) \
                   VALUES ($1, 'made-up', $1, 'PENDING', '{}', false, 1, now() + interval '1 hour', 'alice')";
        self.app.app.pool.get().await.expect("a client").execute(sql, &[&name]).await.expect("written");
        name
    }

    /// Something new of alice's that the URL names, and a connection to it where `body` names one.
    async fn concrete(&self, path: &str, body: &Value) -> (String, Value) {
        let id = |made: Value, field: &str| made[field].as_str().expect("an id").to_owned();
        let noun = path.split('/').nth(3).expect("a noun");
        let (part, name) = match noun {
            "sessions" => ("{id}", self.session().await),
            "templates" => ("{id}", "closed".to_owned()),
            "tokens" => ("{id}", id(self.alice().post("/api/v1/tokens", json!({ "name": "t" })).await.json(), "id")),
            "jobs" => ("{id}", self.job().await),
            "users" => ("{name}", "alice".to_owned()),
            "groups" => ("{name}", self.fresh("group")),
            "projects" => ("{name}", self.fresh("project")),
            other => panic!("whose are {other}?"),
        };
        match noun {
            "groups" => self.group(&name).await,
            "projects" => self.project(&name).await,
            _ => {}
        }
        if path.ends_with("/quota") {
            let limits = json!({ "sessions": 3 });
            let set = self.root().send("PUT", &format!("/api/v1/{noun}/{name}/quota"), &limits).await;
            assert_eq!(set.status, 200, "{set:?}");
        }
        let (mut url, mut body) = (path.replace(part, &name).replace("{user}", "mate"), body.clone());
        let below = |rest: &str| format!("/api/v1/sessions/{name}/{rest}");
        if path.contains("{share}") {
            let share = json!({ "user": "auditor", "level": "use" });
            let made = self.alice().post(&below("shares"), share).await.json();
            url = url.replace("{share}", &id(made, "id"));
        }
        if path.contains("{invitation}") {
            let later = self.app.app.clock.now() + jiff::SignedDuration::from_hours(1);
            let new = json!({ "level": "use", "expiresAt": later });
            let made = self.alice().post(&below("invitations"), new).await.json();
            url = url.replace("{invitation}", &id(made, "id"));
        }
        if body["connectionId"] == "{connection}" {
            let made = self.alice().post(&below("connect"), json!(null)).await.json();
            body["connectionId"] = id(made, "connectionId").into();
        }
        (url, body)
    }
}

#[actix_web::test]
async fn every_route_that_names_something_asks_whose_it_is() {
    let place = Place::start().await;
    let mut wrong = Vec::new();
    for (method, path, body, expected) in table() {
        for ((who, client), expected) in PEOPLE.iter().zip(&place.people).zip(expected) {
            let (url, body) = place.concrete(path, &body).await;
            let request = client.request(method, &url);
            let answer = send(if body.is_null() { request } else { request.json(&body) }).await;
            if answer.status != expected {
                wrong.push(format!("{method} {path} as {who}: {} and not {expected}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn no_route_that_names_something_is_forgotten() {
    let tried: BTreeSet<(&str, &str)> = table().iter().map(|(method, path, ..)| (*method, *path)).collect();
    let elsewhere: BTreeSet<(&str, &str)> = ELSEWHERE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert!(tried.is_disjoint(&elsewhere));
    let named: BTreeSet<(&str, &str)> = routes::TABLE
        .iter()
        .filter(|(path, _)| path.contains('{') && !NOBODYS.iter().any(|begin| path.starts_with(begin)))
        .flat_map(|(path, operations)| operations.iter().map(|operation| (operation.method, *path)))
        .collect();
    assert_eq!(tried.union(&elsewhere).copied().collect::<BTreeSet<_>>(), named);
}
