//! Groups, and who belongs to them.

use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    people::PASSWORD,
};

const GROUPS: &str = "/api/v1/groups";

fn names(list: &Answer) -> Vec<String> {
    let list = list.json();
    let items = list["items"].as_array().unwrap_or_else(|| panic!("items: {list}"));
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

async fn put(client: &Client, path: &str) -> u16 {
    send(client.request("PUT", path)).await.status
}

#[actix_web::test]
async fn a_group_is_made_found_renamed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let made = admin.post(GROUPS, json!({ "name": "physics", "displayName": "Physics department" })).await;
    assert_eq!((made.status, made.header("location")), (201, "/api/v1/groups/physics"), "{made:?}");
    assert_eq!(admin.post(GROUPS, json!({ "name": "physics" })).await.code(), "already-exists");
    assert_eq!(admin.post(GROUPS, json!({ "name": "chemistry" })).await.status, 201);
    assert_eq!(names(&admin.get(GROUPS).await), ["chemistry", "physics"]);
    assert_eq!(names(&admin.get("/api/v1/groups?search=department").await), ["physics"]);
    let changed = admin.patch("/api/v1/groups/physics", json!({ "displayName": "Physics" })).await.json();
    assert_eq!(changed["displayName"], "Physics");
    assert_eq!(admin.delete("/api/v1/groups/physics").await.status, 204);
    assert_eq!(admin.get("/api/v1/groups/physics").await.code(), "not-found");
    assert_eq!(names(&admin.get(GROUPS).await), ["chemistry"]);
}

#[actix_web::test]
async fn each_wrong_field_of_a_new_group_is_named() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let answer = admin.post(GROUPS, json!({ "name": "Physics", "displayName": "a\nb" })).await;
    let fields: Vec<Value> =
        answer.json()["errors"].as_array().expect("errors").iter().map(|error| error["field"].clone()).collect();
    assert_eq!((answer.status, fields), (400, vec![json!("name"), json!("displayName")]));
}

#[actix_web::test]
async fn people_join_and_leave_and_their_account_says_where_they_belong() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    app.person("alice", &[Role::User]).await;
    app.person("bob", &[Role::User]).await;
    for group in ["physics", "staff"] {
        assert_eq!(admin.post(GROUPS, json!({ "name": group })).await.status, 201);
        assert_eq!(put(&admin, &format!("{GROUPS}/{group}/members/alice")).await, 204);
    }
    assert_eq!(put(&admin, "/api/v1/groups/physics/members/bob").await, 204);
    assert_eq!(put(&admin, "/api/v1/groups/physics/members/bob").await, 204, "again changes nothing");
    assert_eq!(names(&admin.get("/api/v1/groups/physics/members").await), ["alice", "bob"]);
    let members = admin.get("/api/v1/groups/physics/members?search=bob").await.json();
    assert_eq!(members["items"][0]["sources"], json!(["manual"]));
    assert_eq!(admin.get("/api/v1/users/alice/groups").await.json()["items"], json!(["physics", "staff"]));
    assert_eq!(admin.get("/api/v1/groups/physics").await.json()["members"], 2);

    assert_eq!(admin.delete("/api/v1/groups/physics/members/bob").await.status, 204);
    assert_eq!(admin.delete("/api/v1/groups/physics/members/bob").await.code(), "not-found");
    assert_eq!(names(&admin.get("/api/v1/groups/physics/members").await), ["alice"]);
    for path in ["/api/v1/groups/physics/members/nobody", "/api/v1/groups/none/members/alice"] {
        assert_eq!(put(&admin, path).await, 404, "{path}");
    }
    assert_eq!(admin.delete("/api/v1/users/alice").await.status, 204);
    assert_eq!(admin.get("/api/v1/groups/physics").await.json()["members"], 0, "an account that is gone is nowhere");
}

#[actix_web::test]
async fn a_group_has_a_version_that_changes_with_it_and_with_who_belongs_to_it() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    app.person("alice", &[Role::User]).await;
    let made = admin.post(GROUPS, json!({ "name": "physics" })).await;
    let tag = made.header("etag").to_owned();
    let group = |method: &str| admin.request(method, "/api/v1/groups/physics");
    assert_eq!(send(group("GET").header("if-none-match", &tag)).await.status, 304);
    assert_eq!(put(&admin, "/api/v1/groups/physics/members/alice").await, 204);
    let read = send(group("GET").header("if-none-match", &tag)).await;
    assert_eq!((read.status, &read.json()["members"]), (200, &json!(1)));
    assert_eq!(send(group("DELETE").header("if-match", &tag)).await.code(), "stale");
    assert_eq!(send(group("DELETE").header("if-match", read.header("etag"))).await.status, 204);
}

#[actix_web::test]
async fn what_is_done_to_groups_is_in_the_audit() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    app.person("alice", &[Role::User]).await;
    admin.post(GROUPS, json!({ "name": "physics" })).await;
    admin.patch("/api/v1/groups/physics", json!({ "displayName": "Physics" })).await;
    put(&admin, "/api/v1/groups/physics/members/alice").await;
    put(&admin, "/api/v1/groups/physics/members/alice").await;
    admin.delete("/api/v1/groups/physics/members/alice").await;
    admin.delete("/api/v1/groups/physics").await;
    let audit = admin.get("/api/v1/audit?target=group/physics").await.json();
    let mut actions: Vec<&str> =
        audit["items"].as_array().expect("items").iter().map(|entry| entry["action"].as_str().expect("one")).collect();
    actions.reverse();
    assert_eq!(actions, ["group.create", "group.change", "group.join", "group.leave", "group.delete"]);
}

#[actix_web::test]
async fn older_names_without_a_version_answer_as_the_present_ones_do() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    app.person("alice", &[Role::User]).await;
    assert_eq!(admin.post("/api/groups", json!({ "name": "physics" })).await.status, 201);
    assert_eq!(put(&admin, "/api/groups/physics/members/alice").await, 204);
    assert_eq!(names(&admin.get("/api/groups/physics/members?search=ali").await), ["alice"]);
    assert_eq!(admin.get("/api/users/alice").await.json()["name"], "alice");
    let login = json!({ "username": "alice", "password": PASSWORD });
    let signed_in = app.anyone().post("/api/auth/login", login).await;
    assert_eq!(signed_in.status, 200);
    let alice = app.anyone().browser(&signed_in.cookie().expect("a cookie"));
    assert_eq!(alice.get("/api/groups").await.code(), "forbidden", "the same permission is asked for");
    assert_eq!(admin.get("/api/sessions").await.code(), "no-route");
}

#[actix_web::test]
async fn a_template_for_a_group_is_there_for_its_members_and_for_nobody_else() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::User]).await);
    let carol = app.person("carol", &[Role::User, Role::Auditor]).await;
    let template = json!({ "name": "lab", "displayName": "Lab", "baseImage": "none", "webapp": { "port": 80 },
        "access": { "groups": ["physics", "staff"] } });
    assert_eq!(admin.post("/api/v1/templates", template).await.status, 201);
    admin.post(GROUPS, json!({ "name": "physics" })).await;
    put(&admin, "/api/v1/groups/physics/members/alice").await;
    let launch = json!({ "template": "lab" });
    for (who, client, seen, launches) in [
        ("alice", &alice, true, true),
        ("bob", &bob, false, false),
        ("carol, who reads everything", &carol, true, false),
        ("the administrator", &admin, true, true),
    ] {
        let found = client.get("/api/v1/templates?search=lab").await.json()["total"].clone();
        assert_eq!(found, usize::from(seen), "{who}");
        assert_eq!(client.get("/api/v1/templates/lab").await.status, if seen { 200 } else { 404 }, "{who}");
        let launched = client.post("/api/v1/sessions?dryRun=true", launch.clone()).await;
        assert_eq!(launched.status, if launches { 200 } else { 400 }, "{who}");
    }
    admin.delete("/api/v1/groups/physics/members/alice").await;
    assert_eq!(alice.get("/api/v1/templates/lab").await.status, 404);
    assert_eq!(alice.post("/api/v1/sessions", launch).await.status, 400);
}
