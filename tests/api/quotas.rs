//! Limits: what a person or a group may have at once, whichever server is asked.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    clock::Clock,
    crd::{DesiredState, Phase, Session, SessionStatus},
    domain::quota::{Amounts, Month},
    services::quotas,
    store::{
        reservations::{self, Ask},
        usage,
    },
};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    people::{PASSWORD, until},
};

const SESSIONS: &str = "/api/v1/sessions";

/// Two servers on one database, an administrator, and Alice with a client of each.
struct Place {
    app: TestApp,
    twin: TestApp,
    admin: Client,
    alice: [Client; 2],
}

impl Place {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let twin = app.twin().await;
        let admin = app.administrator().await;
        let template = json!({ "name": "t", "displayName": "T", "baseImage": "none", "webapp": { "port": 80 },
            "defaultResources": { "cpu": "1", "memory": "1Gi" } });
        assert_eq!(admin.post("/api/v1/templates", template).await.status, 201);
        let alice = app.person("alice", &[Role::User]).await;
        let other = twin.anyone().like(&alice);
        // Both know the template before anybody asks for it.
        assert_eq!(other.get("/api/v1/templates/t").await.status, 200);
        Self { alice: [alice, other], app, twin, admin }
    }

    /// Sets a quota.
    async fn quota(&self, path: &str, limits: Value) -> Answer {
        let answer = self.admin.send("PUT", path, &limits).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn of_alice(&self, limits: Value) {
        self.quota("/api/v1/users/alice/quota", limits).await;
    }

    /// The same request of Alice's, twenty times at once, by turns to one and the other server.
    async fn twenty(&self, body: impl Fn(usize) -> (String, String, Value)) -> BTreeMap<u16, usize> {
        let requests = (0..20).map(|number| {
            let (method, path, body) = body(number);
            async move { self.alice[number % 2].send(&method, &path, &body).await }
        });
        let mut counts = BTreeMap::new();
        for answer in join_all(requests).await {
            if answer.status == 403 {
                assert_eq!(answer.code(), "quota-exceeded");
            }
            *counts.entry(answer.status).or_default() += 1;
        }
        counts
    }

    async fn create(&self) -> Answer {
        self.alice[0].post(SESSIONS, json!({ "template": "t" })).await
    }

    /// A session of Alice's that sleeps, as the controller would leave it.
    async fn asleep(&self) -> String {
        let name = name(&self.create().await);
        let sleep = self.alice[0].patch(&format!("{SESSIONS}/{name}"), json!({ "state": "hibernated" })).await;
        assert_eq!(sleep.status, 200, "{sleep:?}");
        let sessions = &self.app.app.sessions;
        let mut session = Session::clone(&*sessions.get(&name).await.expect("an answer").expect("a session"));
        session.status = Some(SessionStatus { phase: Phase::Hibernated, ..SessionStatus::default() });
        let session = sessions.replace_status(&session, None).await.expect("written");
        assert_eq!(session.spec.state, DesiredState::Hibernated);
        let client = self.app.app.pool.get().await.expect("a connection");
        reservations::rest(&client, &name, session.metadata.uid.as_deref().expect("a uid")).await.expect("at rest");
        name
    }

    /// What is reserved becomes older than a minute, and is looked at.
    async fn a_minute_later(&self) {
        let client = self.app.app.pool.get().await.expect("a connection");
        let aged = "UPDATE reservations SET reserved_at = reserved_at - interval '61 s'";
        client.execute(aged, &[]).await.expect("aged");
        drop(client);
        quotas::sweep_once(&self.app.app).await.expect("swept");
    }

    fn month(&self) -> Month {
        self.app.app.config.sessions.month(self.app.clock.now())
    }

    async fn used(&self) -> Value {
        self.alice[0].get("/api/v1/users/me/quota").await.json()["used"].clone()
    }
}

fn name(created: &Answer) -> String {
    assert_eq!(created.status, 201, "{created:?}");
    created.json()["metadata"]["name"].as_str().expect("a name").to_owned()
}

fn creates(_: usize) -> (String, String, Value) {
    ("POST".into(), SESSIONS.into(), json!({ "template": "t" }))
}

#[actix_web::test]
async fn the_last_slot_is_given_once_however_many_ask_two_servers_at_once() {
    let place = Place::start().await;
    place.of_alice(json!({ "sessions": 1 })).await;
    assert_eq!(place.twenty(creates).await, BTreeMap::from([(201, 1), (403, 19)]));
    assert_eq!(place.alice[0].get(SESSIONS).await.json()["total"], 1);
    place.of_alice(json!({ "sessions": 21 })).await;
    assert_eq!(place.twenty(creates).await, BTreeMap::from([(201, 20)]));
    assert_eq!(place.used().await["sessions"], 21);
}

#[actix_web::test]
async fn of_twenty_sleepers_that_are_woken_at_once_as_many_wake_as_there_is_room_for() {
    let place = Place::start().await;
    let sleepers = join_all((0..20).map(|_| place.asleep())).await;
    assert_eq!(place.used().await["cpu"], "0", "what sleeps uses none");
    until("the other server knows that all sleep", || async {
        place.alice[1].get("/api/v1/sessions?state=hibernated").await.json()["total"] == 20
    })
    .await;
    let wake =
        |number: usize| ("PATCH".into(), format!("{SESSIONS}/{}", sleepers[number]), json!({ "state": "running" }));
    place.of_alice(json!({ "cpu": "1" })).await;
    assert_eq!(place.twenty(wake).await, BTreeMap::from([(200, 1), (403, 19)]));
    assert_eq!(place.used().await["cpu"], "1");
    place.of_alice(json!({ "cpu": "20" })).await;
    assert_eq!(place.twenty(wake).await, BTreeMap::from([(200, 20)]), "one of them was awake before");
    assert_eq!(place.used().await["cpu"], "20");
}

#[actix_web::test]
async fn connecting_wakes_only_what_there_is_room_for() {
    let place = Place::start().await;
    let sleeper = place.asleep().await;
    let connect = format!("{SESSIONS}/{sleeper}/connect");
    place.of_alice(json!({ "memory": "512Mi" })).await;
    assert_eq!(place.alice[1].post(&connect, json!({})).await.code(), "quota-exceeded");
    place.of_alice(json!({ "memory": "1Gi" })).await;
    assert_eq!(place.alice[1].post(&connect, json!({})).await.status, 200);
}

#[actix_web::test]
async fn a_refusal_names_the_limit_what_is_used_and_ones_own_sessions_but_nobody_elses() {
    let place = Place::start().await;
    let bob = place.app.person("bob", &[Role::User]).await;
    assert_eq!(place.admin.post("/api/v1/groups", json!({ "name": "physics" })).await.status, 201);
    for member in ["alice", "bob"] {
        let path = format!("/api/v1/groups/physics/members/{member}");
        assert_eq!(send(place.admin.request("PUT", &path)).await.status, 204);
    }
    place.quota("/api/v1/groups/physics/quota", json!({ "cpu": "2" })).await;
    let theirs = name(&bob.post(SESSIONS, json!({ "template": "t", "displayName": "marker" })).await);
    let own = name(&place.create().await);
    let refused = place.create().await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "quota-exceeded"));
    let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
    let says = format!(
        "CPU of the group physics is limited to 2: 2 in use ({own}, and what others use), 1 more asked for: stop another \
         session, or ask an administrator for more"
    );
    assert_eq!(detail, says);
    let seen = place.alice[0].get("/api/v1/users/me/quota").await;
    let shown = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(!shown.contains(&theirs) && !shown.contains("bob") && !shown.contains("marker"), "{shown}");
    assert_eq!(seen.json()["groups"][0]["used"]["cpu"], "2");
    // The control: somebody of no group has room.
    let carol = place.app.person("carol", &[Role::User]).await;
    assert_eq!(carol.post(SESSIONS, json!({ "template": "t" })).await.status, 201);
}

#[actix_web::test]
async fn ones_own_quota_takes_the_place_of_everybodys_as_a_whole() {
    let place = Place::start().await;
    let own = async || place.alice[0].get("/api/v1/users/me/quota").await.json();
    assert_eq!((&own().await["origin"], &own().await["limits"]), (&json!("none"), &json!({})));
    place.quota("/api/v1/quotas/default", json!({ "sessions": 0, "memory": "4Gi" })).await;
    assert_eq!(own().await["origin"], "default");
    assert_eq!(place.create().await.code(), "quota-exceeded");
    place.of_alice(json!({ "cpu": "4" })).await;
    assert_eq!((&own().await["origin"], &own().await["limits"]), (&json!("own"), &json!({ "cpu": "4" })));
    assert_eq!(place.create().await.status, 201);
    assert_eq!(place.admin.delete("/api/v1/users/alice/quota").await.status, 204);
    assert_eq!(place.admin.delete("/api/v1/users/alice/quota").await.code(), "not-found");
    assert_eq!(own().await["limits"], json!({ "sessions": 0, "memory": "4Gi" }));
    assert_eq!(place.create().await.code(), "quota-exceeded");
}

#[actix_web::test]
async fn homes_count_once_and_each_limit_is_held() {
    let place = Place::start().await;
    // Homes are of 10Gi where nothing else is set.
    place.of_alice(json!({ "storage": "20Gi", "gpu": "0" })).await;
    for _ in 0..2 {
        assert_eq!(place.create().await.status, 201);
    }
    assert_eq!(place.used().await["storage"], "10Gi");
    let fresh = || place.alice[0].post(SESSIONS, json!({ "template": "t", "persistentHome": false }));
    assert_eq!(fresh().await.status, 201);
    assert!(fresh().await.json()["detail"].as_str().expect("a detail").starts_with("Storage of alice"));
    let gpu = json!({ "template": "t", "resources": { "gpu": "1" } });
    assert_eq!(place.alice[0].post(SESSIONS, gpu).await.code(), "quota-exceeded");
}

#[actix_web::test]
async fn what_is_reserved_without_an_object_is_free_a_minute_later() {
    let place = Place::start().await;
    place.of_alice(json!({ "sessions": 2 })).await;
    let kept = name(&place.create().await);
    let lost = Ask {
        session: "alice-t-lost".into(),
        session_uid: None,
        owner: "alice".into(),
        project: None,
        home: "home-alice".into(),
        amounts: Amounts { sessions: 1, ..Amounts::default() },
    };
    let mut client = place.app.app.pool.get().await.expect("a connection");
    let transaction = client.transaction().await.expect("a transaction");
    assert_eq!(reservations::admit(&transaction, &lost, &place.month()).await.expect("an answer"), Ok(()));
    transaction.commit().await.expect("committed");
    drop(client);
    quotas::sweep_once(&place.app.app).await.expect("swept");
    assert_eq!(place.create().await.code(), "quota-exceeded", "it may be on its way still");
    place.a_minute_later().await;
    assert_eq!(place.used().await["sessions"], 1);
    assert_eq!(place.create().await.status, 201);
    assert_eq!(place.alice[1].get(&format!("{SESSIONS}/{kept}")).await.status, 200);
}

#[actix_web::test]
async fn a_budget_that_is_used_up_lets_nothing_start_until_the_next_month() {
    let place = Place::start().await;
    place.of_alice(json!({ "cpuHours": 2, "gpuHours": 0 })).await;
    let ran = |session: &str, amounts: Amounts| Ask {
        session: session.into(),
        session_uid: Some(session.into()),
        owner: "alice".into(),
        project: None,
        home: "home-alice".into(),
        amounts,
    };
    let (client, now) = (place.app.app.pool.get().await.expect("a connection"), place.app.clock.now());
    // Two cores for an hour, which began before the month and so counts from its beginning; and a run of somebody else.
    let month = place.month();
    let earlier = month.since - SignedDuration::from_hours(5);
    let two = ran("one", Amounts { cpu_millicores: 2000, memory_bytes: 1 << 30, ..Amounts::default() });
    usage::begin(&client, &two, 1, earlier).await.expect("begun");
    usage::end(&client, "one", Some(month.since + SignedDuration::from_mins(45))).await.expect("ended");
    usage::begin(&client, &Ask { owner: "bob".into(), ..ran("bobs", two.amounts) }, 1, earlier).await.expect("begun");
    assert_eq!(place.used().await["cpuHours"], 1.5);
    assert_eq!(place.used().await["memoryHours"], 0.75);
    assert_eq!(place.create().await.status, 201, "half an hour is left");
    let later = ran("two", Amounts { cpu_millicores: 1000, ..Amounts::default() });
    usage::begin(&client, &later, 1, month.since).await.expect("begun");
    usage::end(&client, "two", Some(month.since + SignedDuration::from_mins(30))).await.expect("ended");
    let refused = place.create().await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "budget-spent"));
    assert_eq!(
        refused.json()["detail"],
        "alice has used 2 of 2 CPU-hours of this month: ask an administrator for more"
    );
    drop(client);
    for server in [&place.app, &place.twin] {
        server.clock.advance(SignedDuration::from_hours(24 * 31));
    }
    assert!(place.app.clock.now() > now);
    // Her sign-in has ended meanwhile.
    let cookie = place.app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie");
    let alice = place.app.anyone().browser(&cookie);
    assert_eq!(alice.get("/api/v1/users/me/quota").await.json()["used"]["cpuHours"], 0.0);
    assert_eq!(alice.post(SESSIONS, json!({ "template": "t" })).await.status, 201);
}

#[actix_web::test]
async fn a_run_that_a_crash_left_open_ended_with_its_last_sign_of_life() {
    let place = Place::start().await;
    let client = place.app.app.pool.get().await.expect("a connection");
    let begun = place.app.clock.now();
    let amounts = Amounts { cpu_millicores: 1000, ..Amounts::default() };
    let (lost, alive) = ("lost", "alive");
    for uid in [lost, alive] {
        let ask = Ask {
            session: uid.into(),
            session_uid: Some(uid.into()),
            owner: uid.into(),
            project: None,
            home: uid.into(),
            amounts,
        };
        usage::begin(&client, &ask, 1, begun).await.expect("begun");
    }
    usage::look(&client, &[lost, alive], begun + SignedDuration::from_mins(30)).await.expect("seen");
    let later = begun + SignedDuration::from_hours(1);
    usage::look(&client, &[alive], later).await.expect("seen");
    let month = Month { since: begun, now: later };
    let mut hours = vec![];
    for owner in [lost, alive] {
        let bounds = reservations::bounds(&client, owner, None, &month).await.expect("bounds");
        hours.push(bounds[0].used.cpu_seconds);
    }
    assert_eq!(hours, [1800, 3600]);
}

#[actix_web::test]
async fn who_asks_again_with_the_same_key_once_there_is_room_gets_in() {
    let place = Place::start().await;
    let keyed = || {
        let request = place.alice[0].request("POST", SESSIONS).header("idempotency-key", "the-same");
        send(request.json(&json!({ "template": "t" })))
    };
    place.of_alice(json!({ "sessions": 0 })).await;
    assert_eq!(keyed().await.code(), "quota-exceeded");
    place.of_alice(json!({ "sessions": 1 })).await;
    let made = keyed().await;
    assert_eq!((made.status, made.header("idempotent-replayed")), (201, ""), "{made:?}");
    let again = keyed().await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(place.used().await["sessions"], 1);
}

#[actix_web::test]
async fn a_session_that_is_not_made_holds_nothing() {
    let place = Place::start().await;
    for wrong in [json!({ "template": "none" }), json!({ "template": "t", "idleTimeout": "1s" })] {
        assert_eq!(place.alice[0].post(SESSIONS, wrong).await.status, 400);
    }
    let dry = place.alice[0].post("/api/v1/sessions?dryRun=true", json!({ "template": "t" })).await;
    assert_eq!(dry.status, 200);
    assert_eq!(place.used().await["sessions"], 0);
}

#[actix_web::test]
async fn each_wrong_field_of_a_quota_is_named_and_so_is_whoever_is_not_there() {
    let place = Place::start().await;
    let wrong = json!({ "sessions": -1, "cpu": "much", "memory": "1", "gpu": "half", "storage": "",
        "cpuHours": -1 });
    let answer = place.admin.send("PUT", "/api/v1/users/alice/quota", &wrong).await;
    let fields: Vec<Value> =
        answer.json()["errors"].as_array().expect("errors").iter().map(|error| error["field"].clone()).collect();
    assert_eq!(
        (answer.status, fields),
        (400, ["sessions", "cpu", "memory", "gpu", "storage", "cpuHours"].map(Value::from).into())
    );
    for path in ["/api/v1/users/nobody/quota", "/api/v1/groups/nobody/quota", "/api/v1/users/No%20Body/quota"] {
        assert_eq!(place.admin.send("PUT", path, &json!({})).await.code(), "not-found", "{path}");
        assert_eq!(place.admin.get(path).await.code(), "not-found", "{path}");
    }
    assert_eq!(place.admin.get("/api/v1/users/alice/quota").await.json()["origin"], "none");
}

#[actix_web::test]
async fn setting_and_lifting_limits_is_in_the_audit_with_what_was_before() {
    let place = Place::start().await;
    place.of_alice(json!({ "sessions": 1 })).await;
    place.of_alice(json!({ "sessions": 2, "memory": "4Gi" })).await;
    place.admin.delete("/api/v1/users/alice/quota").await;
    let audit = place.admin.get("/api/v1/audit?target=user/alice").await.json();
    let told = |action: &str| {
        let items = audit["items"].as_array().expect("items").clone();
        items.into_iter().filter(|entry| entry["action"] == action).collect::<Vec<_>>()
    };
    let set = told("quota.set");
    assert_eq!((&set[0]["before"]["sessions"], &set[0]["after"]["memory"]), (&json!(1), &json!("4Gi")));
    assert_eq!(told("quota.remove")[0]["before"]["sessions"], 2);
    drop(place.twin);
}
