//! Sessions that are open to others: who may do what, by which way, and who hears of it.

use jiff::SignedDuration;
use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    clock::Clock,
    crd::{Session, SessionSpec, Template},
};

use crate::support::{
    app::TestApp,
    client::Client,
    feed::Feed,
    people::{console, until},
};

const HERS: &str = "/api/v1/sessions/hers";
const EVENTS: &str = "/api/v1/ws/events?topics=sessions";

/// A server with a session `hers` of alice, which has a screen.
struct Place {
    app: TestApp,
    alice: Client,
}

impl Place {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let alice = app.person("alice", &[Role::User]).await;
        let spec = json!({ "displayName": "Desktop", "baseImage": "none", "vnc": { "port": 5900 } });
        let desktop = Template::new("desktop", serde_json::from_value(spec).expect("a spec"));
        app.app.templates.create(&desktop).await.expect("created");
        let place = Self { app, alice };
        place.session("hers", "alice").await;
        place
    }

    async fn session(&self, name: &str, owner: &str) {
        let spec = SessionSpec { user: owner.into(), template: "desktop".into(), ..SessionSpec::default() };
        self.app.app.sessions.create(&Session::new(name, spec)).await.expect("created");
    }

    /// Somebody to whom the session is open so far.
    async fn guest(&self, name: &str, level: &str) -> Client {
        let guest = self.app.person(name, &[Role::User]).await;
        let made = self.alice.post(&format!("{HERS}/shares"), json!({ "user": name, "level": level })).await;
        assert_eq!(made.status, 201, "{made:?}");
        guest
    }

    fn in_(&self, seconds: i64) -> Value {
        json!(self.app.clock.now() + SignedDuration::from_secs(seconds))
    }

    /// The secret of a new link.
    async fn invite(&self, level: &str, uses: i32, seconds: i64) -> String {
        let body = json!({ "level": level, "uses": uses, "expiresAt": self.in_(seconds) });
        let made = self.alice.post(&format!("{HERS}/invitations"), body).await;
        assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{made:?}");
        let url: url::Url = made.json()["url"].as_str().expect("an address").parse().expect("an address");
        assert_eq!((url.path(), url.query()), ("/invitation", None), "servers are told nothing of the secret");
        url.fragment().expect("a fragment").strip_prefix("invitation=").expect("the secret").to_owned()
    }
}

async fn accept(client: &Client, secret: &str) -> u16 {
    client.post("/api/v1/invitations/accept", json!({ "token": secret })).await.status
}

/// What each route answers to each person: 2xx and others as they are written, by hand. Those that would change something
/// are asked for something that is refused in the end, or changes nothing.
#[actix_web::test]
async fn each_route_of_a_session_asks_who_owns_it_and_how_far_it_is_shared() {
    let place = Place::start().await;
    let people = [
        ("owner", place.alice.clone()),
        ("manages", place.guest("manages", "manage").await),
        ("uses", place.guest("uses", "use").await),
        ("views", place.guest("views", "view").await),
        ("nobody", place.app.person("nobody", &[Role::User]).await),
        ("operator", place.app.person("operator", &[Role::Operator]).await),
        ("auditor", place.app.person("auditor", &[Role::Auditor]).await),
        ("admin", place.app.person("root", &[Role::Admin]).await),
    ];
    let none = "shares/0198a000-0000-7000-8000-000000000000";
    let share = |level: &str| json!({ "user": "nobody-at-all", "level": level });
    let invite = |level: &str| json!({ "level": level, "uses": 0, "expiresAt": place.in_(60) });
    #[rustfmt::skip]
    let table: &[(&str, &str, Value, [u16; 8])] = &[
        //                                            owner manages uses views nobody operator auditor admin
        ("GET", "", json!(null),                      [200, 200, 200, 200, 404, 200, 200, 200]),
        ("PATCH", "", json!({ "tags": [] }),          [200, 200, 403, 403, 404, 200, 403, 200]),
        ("POST", "restart", json!(null),              [409, 409, 403, 403, 404, 409, 403, 409]),
        ("GET", "events", json!(null),                [200, 200, 200, 200, 404, 200, 200, 200]),
        ("GET", "lifecycle", json!(null),             [200, 200, 200, 200, 404, 200, 200, 200]),
        ("GET", "logs", json!(null),                  [200, 200, 403, 403, 404, 200, 200, 200]),
        ("GET", "connections", json!(null),           [200, 200, 200, 200, 404, 200, 200, 200]),
        ("POST", "snooze", json!({ "for": "1s" }),    [400, 400, 400, 403, 404, 403, 403, 400]),
        ("GET", "shares", json!(null),                [200, 200, 403, 403, 404, 200, 200, 200]),
        ("POST", "shares", share("view"),             [400, 400, 403, 403, 404, 403, 403, 400]),
        ("POST", "shares", share("manage"),           [400, 403, 403, 403, 404, 403, 403, 400]),
        ("DELETE", none, json!(null),                 [404, 404, 404, 404, 404, 404, 403, 404]),
        ("GET", "invitations", json!(null),           [200, 200, 403, 403, 404, 200, 200, 200]),
        ("POST", "invitations", invite("use"),        [400, 400, 403, 403, 404, 403, 403, 400]),
        ("POST", "invitations", invite("manage"),     [400, 403, 403, 403, 404, 403, 403, 400]),
        ("POST", "connect", json!(null),              [200, 200, 200, 200, 404, 403, 403, 200]),
    ];
    for (method, path, body, expected) in table {
        let url = format!("{HERS}/{path}");
        for ((who, client), expected) in people.iter().zip(expected) {
            let answer = client.send(method, url.trim_end_matches('/'), body).await;
            assert_eq!(answer.status, *expected, "{method} {path} as {who}: {answer:?}");
        }
    }
    for (who, client) in people.iter().filter(|(who, _)| ["manages", "uses", "views", "auditor"].contains(who)) {
        assert_eq!(client.delete(HERS).await.status, 403, "{who} deletes nothing");
    }
    assert!([202, 204].contains(&place.alice.delete(HERS).await.status));
}

#[actix_web::test]
async fn what_is_shared_stands_in_the_guests_lists_marked_and_in_nobody_elses() {
    let place = Place::start().await;
    place.session("his", "bob").await;
    let bob = place.guest("bob", "use").await;
    let carol = place.app.person("carol", &[Role::User]).await;
    let names = |list: &Value| -> Vec<String> {
        let name = |item: &Value| item["metadata"]["name"].as_str().expect("a name").to_owned();
        list["items"].as_array().expect("items").iter().map(name).collect()
    };
    for (query, expected) in [
        ("", vec!["hers", "his"]),
        ("?shared=true", vec!["hers"]),
        ("?shared=false", vec!["his"]),
        ("?pageSize=1", vec!["hers"]),
        ("?pageSize=1&page=2", vec!["his"]),
        ("?q=desktop", vec!["hers", "his"]),
    ] {
        let list = bob.get(&format!("/api/v1/sessions{query}")).await.json();
        assert_eq!(names(&list), expected, "{query}");
    }
    assert_eq!(names(&carol.get("/api/v1/sessions").await.json()), [] as [String; 0]);
    let shared = bob.get("/api/v1/users/me/shares").await.json();
    let expected = json!([{ "session": "hers", "displayName": "desktop", "owner": "alice", "level": "use" }]);
    assert_eq!(shared["items"], expected);
    assert_eq!(carol.get("/api/v1/users/me/shares").await.json()["total"], 0);
    let of = |list: Value| list["items"].as_array().expect("items").len();
    assert_eq!(of(bob.get("/api/v1/activity").await.json()), 2);
    assert_eq!(of(carol.get("/api/v1/activity").await.json()), 0);
}

async fn reading(client: &Client) -> (Feed, Value) {
    let mut feed = client.feed(EVENTS).await.expect("let in");
    let snapshot = feed.next().await;
    (feed, snapshot)
}

#[actix_web::test]
async fn a_guests_page_is_told_when_a_session_is_shared_changed_and_taken_away_and_a_strangers_is_not() {
    let place = Place::start().await;
    let bob = place.app.person("bob", &[Role::User]).await;
    let carol = place.app.person("carol", &[Role::User]).await;
    let ((mut his, before), (mut others, _)) = (reading(&bob).await, reading(&carol).await);
    assert_eq!(before["items"], json!([]));
    let made = place.alice.post(&format!("{HERS}/shares"), json!({ "user": "bob", "level": "view" })).await.json();
    let came = his.next().await;
    assert_eq!((&came["type"], &came["shared"]), (&json!("session.created"), &json!("view")));
    assert_eq!(came["session"]["metadata"]["name"], "hers");
    place.alice.patch(HERS, json!({ "tags": ["a"] })).await;
    let changed = his.next().await;
    assert_eq!((&changed["type"], &changed["shared"]), (&json!("session.updated"), &json!("view")));
    place.alice.post(&format!("{HERS}/shares"), json!({ "user": "bob", "level": "use" })).await;
    let more = his.next().await;
    assert_eq!((&more["type"], &more["shared"]), (&json!("session.updated"), &json!("use")));
    let (mut again, snapshot) = reading(&bob).await;
    assert_eq!(
        (&snapshot["items"][0]["metadata"]["name"], &snapshot["shared"]),
        (&json!("hers"), &json!({ "hers": "use" }))
    );
    let cursor = snapshot["cursor"].as_str().expect("a cursor").to_owned();
    let path = format!("{HERS}/shares/{}", made["id"].as_str().expect("an id"));
    assert_eq!(place.alice.delete(&path).await.status, 204);
    for feed in [&mut his, &mut again] {
        let gone = feed.next().await;
        assert_eq!((&gone["type"], &gone["session"]["metadata"]["name"]), (&json!("session.deleted"), &json!("hers")));
        assert_eq!(gone["session"]["spec"], Value::Null, "what it has become is not his to know");
    }
    place.alice.patch(HERS, json!({ "tags": ["b"] })).await;
    let mut resumed = bob.feed(&format!("{EVENTS}&cursor={cursor}")).await.expect("let in");
    let fresh = resumed.next().await;
    assert_eq!((&fresh["resumed"], &fresh["items"]), (&json!(false), &json!([])), "no gap of what is not his any more");
    // The control: a session of his own is the next that either hears of.
    place.session("his", "bob").await;
    for feed in [&mut his, &mut again, &mut resumed] {
        assert_eq!(feed.next().await["session"]["metadata"]["name"], "his");
    }
    place.session("carols", "carol").await;
    assert_eq!(others.next().await["session"]["metadata"]["name"], "carols", "nothing came before it");
}

#[actix_web::test]
async fn a_group_that_one_joins_opens_what_is_shared_with_it_and_closes_it_when_one_leaves() {
    let place = Place::start().await;
    let root = place.app.person("root", &[Role::Admin]).await;
    let bob = place.app.person("bob", &[Role::User]).await;
    assert_eq!(root.post("/api/v1/groups", json!({ "name": "lab" })).await.status, 201);
    let share = json!({ "group": "lab", "level": "use" });
    let path = format!("{HERS}/shares");
    let strange = place.alice.post(&path, share.clone()).await;
    assert_eq!(strange.status, 400, "a group that she need not know of");
    assert_eq!(root.send("PUT", "/api/v1/groups/lab/members/alice", &json!(null)).await.status, 204);
    until("alice is known to belong to it", async || place.alice.post(&path, share.clone()).await.status == 201).await;
    assert_eq!(bob.get(HERS).await.status, 404);
    let (mut feed, _) = reading(&bob).await;
    root.send("PUT", "/api/v1/groups/lab/members/bob", &json!(null)).await;
    assert_eq!(feed.next().await["type"], "session.created");
    assert_eq!(bob.get(HERS).await.status, 200);
    root.delete("/api/v1/groups/lab/members/bob").await;
    assert_eq!(feed.next().await["type"], "session.deleted");
    assert_eq!(bob.get(HERS).await.status, 404);
    root.send("PUT", "/api/v1/groups/lab/members/bob", &json!(null)).await;
    assert_eq!(feed.next().await["type"], "session.created");
    assert_eq!(root.delete("/api/v1/groups/lab").await.status, 204);
    assert_eq!(feed.next().await["type"], "session.deleted");
}

#[actix_web::test]
async fn a_link_lets_in_as_many_as_it_says_until_it_ends_or_is_withdrawn() {
    let place = Place::start().await;
    let bob = place.app.person("bob", &[Role::User]).await;
    let carol = place.app.person("carol", &[Role::User]).await;
    let secret = place.invite("use", 1, 600).await;
    let looked = bob.post("/api/v1/invitations/look", json!({ "token": secret })).await.json();
    assert_eq!((&looked["owner"], &looked["level"]), (&json!("alice"), &json!("use")));
    assert_eq!(bob.get(HERS).await.status, 404, "to look is not to accept");
    assert_eq!(accept(&place.app.anyone(), &secret).await, 401);
    assert_eq!(accept(&place.alice, &secret).await, 200, "it is hers: nothing is used up");
    assert_eq!(accept(&bob, &secret).await, 200);
    assert_eq!(bob.get(HERS).await.status, 200);
    assert_eq!(accept(&carol, &secret).await, 404, "used up");
    assert_eq!(carol.get(HERS).await.status, 404);
    let late = place.invite("use", 5, 60).await;
    place.app.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(accept(&carol, &late).await, 404, "run out");
    let withdrawn = place.invite("use", 5, 60).await;
    let list = place.alice.get(&format!("{HERS}/invitations")).await.json();
    assert_eq!((&list["total"], &list["items"][0]["usesLeft"]), (&json!(1), &json!(5)));
    let path = format!("{HERS}/invitations/{}", list["items"][0]["id"].as_str().expect("an id"));
    assert_eq!(place.alice.delete(&path).await.status, 204);
    assert_eq!(accept(&carol, &withdrawn).await, 404, "withdrawn");
    let again = place.invite("use", 5, 60).await;
    assert_eq!(accept(&carol, &again).await, 200, "the control");
    for bad in ["", "x", &again[1..], &format!("{again}A")] {
        assert_eq!(accept(&bob, bad).await, 404, "“{bad}”");
    }
}

#[actix_web::test]
async fn of_twenty_who_accept_the_last_use_at_once_one_comes_in() {
    let place = Place::start().await;
    let secret = place.invite("use", 1, 600).await;
    let mut people = Vec::new();
    for number in 0..20 {
        people.push(place.app.person(&format!("p{number}"), &[Role::User]).await);
    }
    let answers = futures::future::join_all(people.iter().map(|person| accept(person, &secret))).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 19, "{answers:?}");
    assert_eq!(place.alice.get(&format!("{HERS}/shares")).await.json()["total"], 1);
}

#[actix_web::test]
async fn what_is_opened_and_closed_is_audited_and_the_secret_of_a_link_stands_nowhere() {
    let place = Place::start().await;
    let root = place.app.person("root", &[Role::Admin]).await;
    let bob = place.app.person("bob", &[Role::User]).await;
    let secret = place.invite("manage", 1, 600).await;
    assert_eq!(accept(&bob, &secret).await, 200);
    let shares = place.alice.get(&format!("{HERS}/shares")).await.json();
    let path = format!("{HERS}/shares/{}", shares["items"][0]["id"].as_str().expect("an id"));
    assert_eq!(bob.delete(&path).await.status, 204, "a guest may leave");
    let audit = root.get("/api/v1/audit?target=session/hers&pageSize=100").await.json();
    let mut actions: Vec<(String, String)> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| {
            let word = |field: &str| entry[field].as_str().expect("a word").to_owned();
            (word("action"), word("actor"))
        })
        .collect();
    actions.sort();
    let expected =
        [("session.accept", "bob"), ("session.invite", "alice"), ("session.share", "bob"), ("session.unshare", "bob")];
    assert_eq!(actions, expected.map(|(action, who)| (action.to_owned(), who.to_owned())));
    assert!(!audit.to_string().contains(&secret));
    let client = place.app.app.pool.get().await.expect("a connection");
    let dump = "SELECT string_agg(t::text, '') FROM (SELECT session_invitations::text AS t FROM session_invitations \
                UNION ALL SELECT session_shares::text FROM session_shares) all_rows";
    let rows: Option<String> = client.query_one(dump, &[]).await.expect("rows").get(0);
    assert!(!rows.unwrap_or_default().contains(&secret));
}

#[actix_web::test]
async fn a_session_that_goes_and_a_person_who_goes_leave_no_share_behind() {
    let place = Place::start().await;
    let bob = place.guest("bob", "use").await;
    assert_eq!(bob.get(HERS).await.status, 200);
    let session = place.app.app.sessions.get("hers").await.expect("read").expect("there");
    let before = session.metadata.uid.clone();
    assert!([202, 204].contains(&place.alice.delete(HERS).await.status));
    place.session("hers", "alice").await;
    let after = place.app.app.sessions.get("hers").await.expect("read").expect("there").metadata.uid.clone();
    assert_ne!(before, after);
    assert_eq!(bob.get(HERS).await.status, 404, "another session of that name is another");
    place.guest("carol", "use").await;
    assert_eq!(place.alice.get(&format!("{HERS}/shares")).await.json()["total"], 1);
    let auth = &place.app.app.auth;
    streamspace::services::accounts::delete(auth, &console(), "carol", None).await.expect("deleted");
    assert_eq!(place.alice.get(&format!("{HERS}/shares")).await.json()["total"], 0);
}

#[actix_web::test]
async fn a_template_for_a_group_is_named_to_its_members_alone_by_the_feed_too() {
    let place = Place::start().await;
    let root = place.app.person("root", &[Role::Admin]).await;
    let member = place.app.person("member", &[Role::User]).await;
    let stranger = place.app.person("stranger", &[Role::User]).await;
    assert_eq!(root.post("/api/v1/groups", json!({ "name": "lab" })).await.status, 201);
    root.send("PUT", "/api/v1/groups/lab/members/member", &json!(null)).await;
    until("the member is known to belong to it", async || {
        let me = member.get("/api/v1/templates").await;
        me.status == 200
    })
    .await;
    let templates = "/api/v1/ws/events?topics=templates";
    let port = json!({ "port": 8080 });
    let closed = json!({ "name": "closed", "displayName": "MARKER", "baseImage": "none", "webapp": port, "access": { "groups": ["lab"] } });
    let made = root.post("/api/v1/templates", closed).await;
    assert_eq!(made.status, 201, "{made:?}");
    let names = |snapshot: &Value| -> Vec<String> {
        let name = |item: &Value| item["metadata"]["name"].as_str().expect("a name").to_owned();
        snapshot["items"].as_array().expect("items").iter().map(name).collect()
    };
    let mut hers = member.feed(templates).await.expect("let in");
    let mut his = stranger.feed(templates).await.expect("let in");
    assert_eq!(names(&hers.next().await), ["closed", "desktop"]);
    let seen = his.next().await;
    assert_eq!(names(&seen), ["desktop"]);
    // A change of it, then one of what is open: the next that the stranger hears of.
    root.patch("/api/v1/templates/closed", json!({ "description": "MARKER" })).await;
    root.patch("/api/v1/templates/desktop", json!({ "description": "open" })).await;
    assert_eq!(hers.next().await["template"]["metadata"]["name"], "closed");
    assert_eq!(hers.next().await["template"]["metadata"]["name"], "desktop");
    let first = his.next().await;
    assert_eq!(first["template"]["metadata"]["name"], "desktop");
    assert!(!first.to_string().contains("MARKER"));
    // What is open closes: gone for the stranger, with no word of what it has become.
    root.patch("/api/v1/templates/desktop", json!({ "description": "MARKER", "access": { "groups": ["lab"] } })).await;
    assert_eq!(hers.next().await["type"], "template.updated");
    let gone = his.next().await;
    assert_eq!((&gone["type"], &gone["template"]["metadata"]["name"]), (&json!("template.deleted"), &json!("desktop")));
    assert!(!gone.to_string().contains("MARKER"), "{gone}");
    // What is closed opens.
    root.patch("/api/v1/templates/closed", json!({ "access": null })).await;
    assert_eq!(his.next().await["type"], "template.created");
    // And who joins sees what they did not.
    root.send("PUT", "/api/v1/groups/lab/members/stranger", &json!(null)).await;
    assert_eq!(names(&his.next_of("snapshot").await), ["closed", "desktop"]);
}
