//! Projects: who may know of one, who says who belongs to it, and what its sessions share.

use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::{Answer, Client},
};

const PROJECTS: &str = "/api/v1/projects";
const LASER: &str = "/api/v1/projects/laser";

/// A project with a manager and a member, and somebody who has nothing to do with it.
struct Place {
    _app: TestApp,
    admin: Client,
    manager: Client,
    member: Client,
    stranger: Client,
}

impl Place {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let admin = app.administrator().await;
        let manager = app.person("manager", &[Role::User]).await;
        let member = app.person("member", &[Role::User]).await;
        let stranger = app.person("stranger", &[Role::User]).await;
        let new = json!({ "name": "laser", "displayName": "Laser-marker", "manager": "manager" });
        let made = admin.post(PROJECTS, new).await;
        assert_eq!((made.status, made.header("location")), (201, LASER), "{made:?}");
        let place = Self { _app: app, admin, manager, member, stranger };
        assert_eq!(place.set(&place.manager, "member", "member").await.status, 204);
        place
    }

    async fn set(&self, who: &Client, user: &str, role: &str) -> Answer {
        who.send("PUT", &format!("{LASER}/members/{user}"), &json!({ "role": role })).await
    }
}

#[actix_web::test]
async fn those_who_belong_to_a_project_know_of_it_and_for_others_it_is_not_there() {
    let place = Place::start().await;
    for (who, client) in [("manager", &place.manager), ("member", &place.member), ("admin", &place.admin)] {
        assert_eq!(client.get(LASER).await.json()["displayName"], "Laser-marker", "{who}");
        assert_eq!(client.get(PROJECTS).await.json()["total"], 1, "{who}");
        let members = client.get(&format!("{LASER}/members")).await.json();
        let roles: Vec<&Value> = members["items"].as_array().expect("items").iter().map(|one| &one["role"]).collect();
        assert_eq!(roles, ["manager", "member"], "{who}");
        assert_eq!(client.get(&format!("{LASER}/quota")).await.status, 200, "{who}");
    }
    let stranger = &place.stranger;
    let tries = [
        stranger.get(LASER).await,
        stranger.patch(LASER, json!({ "displayName": "Mine" })).await,
        stranger.get(&format!("{LASER}/members")).await,
        place.set(stranger, "stranger", "manager").await,
        stranger.delete(&format!("{LASER}/members/member")).await,
        stranger.get(&format!("{LASER}/quota")).await,
    ];
    for (number, refused) in tries.iter().enumerate() {
        assert_eq!((refused.status, refused.code().as_str()), (404, "not-found"), "{number}");
        assert!(!String::from_utf8_lossy(&refused.body).contains("marker"), "{refused:?}");
    }
    assert_eq!(stranger.get(PROJECTS).await.json()["total"], 0);
}

#[actix_web::test]
async fn managers_say_who_belongs_to_a_project_and_members_may_leave() {
    let place = Place::start().await;
    for answer in [
        place.set(&place.member, "stranger", "member").await,
        place.set(&place.member, "member", "manager").await,
        place.member.patch(LASER, json!({ "displayName": "Mine" })).await,
        place.member.delete(&format!("{LASER}/members/manager")).await,
        place.manager.delete(LASER).await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{answer:?}");
    }
    assert_eq!(place.manager.patch(LASER, json!({ "displayName": "Ours" })).await.json()["displayName"], "Ours");
    assert_eq!(place.set(&place.manager, "stranger", "manager").await.status, 204);
    assert_eq!(place.set(&place.stranger, "member", "manager").await.status, 204);
    assert_eq!(place.set(&place.manager, "nobody", "member").await.code(), "not-found");
    assert_eq!(place.set(&place.manager, "member", "king").await.status, 400);
    assert_eq!(place.member.delete(&format!("{LASER}/members/member")).await.status, 204);
    assert_eq!(place.member.get(LASER).await.status, 404);
    assert_eq!(place.admin.delete(LASER).await.status, 204);
    assert_eq!(place.manager.get(LASER).await.status, 404);
}

#[actix_web::test]
async fn sessions_of_a_project_share_its_limits_and_only_its_members_make_them() {
    let place = Place::start().await;
    let template = json!({ "name": "t", "displayName": "T", "baseImage": "none", "webapp": { "port": 80 },
        "defaultResources": { "cpu": "1", "memory": "1Gi" } });
    assert_eq!(place.admin.post("/api/v1/templates", template).await.status, 201);
    let limits = json!({ "cpu": "2" });
    assert_eq!(place.manager.send("PUT", &format!("{LASER}/quota"), &limits).await.status, 403);
    assert_eq!(place.admin.send("PUT", &format!("{LASER}/quota"), &limits).await.status, 200);
    let within = json!({ "template": "t", "project": "laser" });
    let sessions = "/api/v1/sessions";
    let refused = place.stranger.post(sessions, within.clone()).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (400, &json!("project")));
    let theirs = place.manager.post(sessions, within.clone()).await;
    assert_eq!((theirs.status, &theirs.json()["spec"]["project"]), (201, &json!("laser")));
    assert_eq!(place.member.post(sessions, within.clone()).await.status, 201);
    let full = place.member.post(sessions, within.clone()).await;
    assert_eq!(full.code(), "quota-exceeded");
    let detail = full.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.starts_with("CPU of the project laser is limited to 2: 2 in use (member-t-"), "{detail}");
    assert!(!detail.contains("manager-t-"), "{detail}");
    assert_eq!(place.member.get(&format!("{LASER}/quota")).await.json()["used"]["cpu"], "2");
    // The control: outside of the project there is room.
    assert_eq!(place.member.post(sessions, json!({ "template": "t" })).await.status, 201);
    let found = place.admin.get("/api/v1/sessions?project=laser").await.json();
    assert_eq!(found["total"], 2);
}
