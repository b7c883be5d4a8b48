//! What counts as activity, and what does not.

use futures::{SinkExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use streamspace::{clock::Clock, crd::Phase, engine::Usage};
use tokio_tungstenite::{
    accept_async, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::world::{Browser, PORT, World};
use crate::support::program::Program;

fn last(item: &Value) -> Option<Timestamp> {
    item["lastActivity"].as_str().map(|text| text.parse().unwrap())
}

/// Activity is known to the millisecond.
fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap()
}

/// A session, and another one by which it is known what has been written.
struct Watched {
    world: World,
    browser: Browser,
    session: String,
    marker: String,
}

impl Watched {
    async fn new(world: World, browser: Browser, session: String) -> Self {
        let marker = world.session(&browser.user).await;
        Self { world, browser, session, marker }
    }

    /// Whether what is done now counts as activity of the session.
    async fn counts(&self, act: impl AsyncFnOnce()) -> bool {
        let clock = &self.world.app.clock;
        clock.advance(SignedDuration::from_mins(2));
        let before = whole(self.world.app.clock.now());
        act().await;
        // What is noted after it is written with it, or later.
        clock.advance(SignedDuration::from_secs(11));
        let marked = whole(self.world.app.clock.now());
        self.browser.connect(&self.marker).await;
        self.browser.activity_until(&self.marker, |item| last(item).is_some_and(|at| at >= marked)).await;
        last(&self.browser.activity(&self.session).await).is_some_and(|at| at >= before)
    }
}

#[actix_web::test]
async fn requests_count_but_not_those_that_the_template_calls_polling() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (browser, session, entry) = world.opened(&program).await;
    let watched = Watched::new(world, browser, session).await;
    let world = &watched.world;
    assert!(watched.counts(async || drop(world.get(&entry, "/work").await)).await);
    assert!(!watched.counts(async || drop(world.get(&entry, "/poll/status?x=1").await)).await);
    assert!(!watched.counts(async || drop(world.get(&entry, "/.streamspace/state").await)).await);
    assert!(!watched.counts(async || {}).await);
    let cause = watched.browser.activity(&watched.session).await["idle"]["cause"].clone();
    assert!(cause.as_str().unwrap().starts_with("Idle:"), "{cause}");
}

#[actix_web::test]
async fn what_a_person_types_into_a_socket_counts_and_what_the_app_says_does_not() {
    let world = World::start().await;
    let program = Program::start(|client| async move {
        let mut socket = accept_async(client.stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await;
    let (browser, session, entry) = world.opened(&program).await;
    let open = async |path: &str| {
        let mut request = format!("ws://{}{path}", entry.host).into_client_request().unwrap();
        request.headers_mut().insert("cookie", entry.cookie.parse().unwrap());
        request.headers_mut().insert("origin", entry.origin().parse().unwrap());
        let stream = tokio::net::TcpStream::connect(world.app.address()).await.unwrap();
        client_async(request, stream).await.unwrap().0
    };
    let (mut typed, mut polled) = (open("/terminal").await, open("/poll/socket").await);
    let watched = Watched::new(world, browser, session).await;
    let mut say = async |message: Message| {
        typed.send(message).await.unwrap();
        typed.next().await.unwrap().unwrap();
    };
    assert!(watched.counts(async || say(Message::text("ls")).await).await);
    // The answer to a ping comes from the app, so it has read it.
    assert!(!watched.counts(async || say(Message::Ping(bytes::Bytes::from_static(b"?"))).await).await);
    assert!(
        !watched
            .counts(async || {
                polled.send(Message::text("status?")).await.unwrap();
                polled.next().await.unwrap().unwrap();
            })
            .await
    );
}

#[actix_web::test]
async fn an_active_heartbeat_counts_and_another_one_does_not() {
    let world = World::start().await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    let id = browser.connect(&session).await["connectionId"].clone();
    let watched = Watched::new(world, browser, session).await;
    let path = format!("/api/v1/sessions/{}/heartbeat", watched.session);
    let beat = async |active: bool| {
        let answer = watched.browser.post(&path, json!({ "connectionId": id, "active": active })).await;
        assert_eq!(answer.status, 200);
    };
    assert!(watched.counts(async || beat(true).await).await);
    assert!(!watched.counts(async || beat(false).await).await);
    assert!(watched.counts(async || drop(watched.browser.connect(&watched.session).await)).await);
}

#[actix_web::test]
async fn a_program_that_says_it_is_busy_is_not_idle() {
    let world = World::start().await;
    let probe = json!({ "path": "/api/kernels", "pointer": "/*/execution_state", "busyValue": "busy" });
    world.template("notebook", json!({ "webapp": { "port": PORT }, "activity": { "probe": probe } })).await;
    let busy = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let says = std::sync::Arc::clone(&busy);
    let program = Program::start(move |mut client| {
        let busy = std::sync::Arc::clone(&says);
        async move {
            while client.head().await.is_some() {
                let state = if busy.load(std::sync::atomic::Ordering::SeqCst) { "busy" } else { "idle" };
                let kernels = json!([{ "execution_state": "idle" }, { "execution_state": state }]);
                client.answer(&[], kernels.to_string().as_bytes()).await;
            }
        }
    })
    .await;
    let browser = world.browser("alice").await;
    let session = world.session_of("alice", "notebook", Phase::Running).await;
    world.engine.lead(&session, PORT, &program);
    let looked = world.app.clock.now();
    let item = until_counted(&world, &browser, &session, looked).await;
    assert_eq!(item["idle"]["cause"], "Active: its program is at work.");
    busy.store(false, std::sync::atomic::Ordering::SeqCst);
    let dials = world.engine.dials();
    let watched = Watched::new(world, browser, session).await;
    let asked_again = async || {
        while watched.world.engine.dials() == dials {
            tokio::task::yield_now().await;
        }
    };
    assert!(!watched.counts(asked_again).await);
}

/// Moves time on until something counts.
async fn until_counted(world: &World, browser: &Browser, session: &str, after: Timestamp) -> Value {
    let look = async {
        loop {
            let item = browser.activity(session).await;
            if last(&item).is_some_and(|at| at > after) {
                return item;
            }
            world.app.clock.advance(SignedDuration::from_secs(1));
        }
    };
    tokio::time::timeout(super::world::PATIENCE, look).await.expect("something counts")
}

#[actix_web::test]
async fn more_than_half_a_core_over_a_minute_is_not_idle_unless_the_template_says_so() {
    let world = World::start().await;
    world.template("mute", json!({ "webapp": { "port": PORT }, "activity": { "cpu": false } })).await;
    let browser = world.browser("alice").await;
    let (busy, mute) = (world.session("alice").await, world.session_of("alice", "mute", Phase::Running).await);
    let begun = world.app.clock.now();
    let look = async {
        loop {
            // Six tenths of a core since the beginning.
            let passed = world.app.clock.now().duration_since(begun).as_micros();
            let cpu_micros = u64::try_from(passed).unwrap() / 10 * 6;
            let usage = Usage { cpu_micros, memory_bytes: 5 << 20, memory_limit_bytes: 1 << 30, processes: 1 };
            world.engine.uses(&busy, usage);
            world.engine.uses(&mute, usage);
            let item = browser.activity(&busy).await;
            if last(&item).is_some() {
                return item;
            }
            world.app.clock.advance(SignedDuration::from_secs(5));
        }
    };
    let item = tokio::time::timeout(super::world::PATIENCE, look).await.expect("it counts");
    assert!(last(&item).unwrap().duration_since(begun) >= SignedDuration::from_secs(60));
    assert_eq!(item["idle"]["cause"], "Active: its program uses more than half a core.");
    assert_eq!(
        (&item["usage"]["memoryBytes"], &item["usage"]["memoryLimitBytes"]),
        (&(5 << 20).into(), &(1 << 30).into())
    );
    let millicores = item["usage"]["cpuMillicores"].as_u64().unwrap();
    assert!((550..=650).contains(&millicores), "{millicores}");
    assert_eq!(last(&browser.activity(&mute).await), None);
}

#[actix_web::test]
async fn an_idle_session_says_since_when_and_until_when_and_a_snooze_postpones_it() {
    let world = World::with(&["--default-idle-timeout=30m", "--max-idle-timeout=4h"]).await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    let opened = world.app.clock.now();
    browser.connect(&session).await;
    let item = browser.activity_until(&session, |item| last(item).is_some()).await;
    assert_eq!((&item["connections"], &item["idle"]["since"]), (&1.into(), &Value::Null));
    world.app.clock.advance(SignedDuration::from_mins(10));
    let item = browser.activity(&session).await;
    let at = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(at(&item["idle"]["since"]), last(&item).unwrap());
    assert_eq!(at(&item["idle"]["stopsAt"]), last(&item).unwrap() + SignedDuration::from_mins(30));
    assert!(last(&item).unwrap() >= whole(opened));
    let path = format!("/api/v1/sessions/{session}/snooze");
    let asked = world.app.clock.now();
    let snoozed = browser.post(&path, json!({ "for": "2h" })).await;
    assert_eq!(snoozed.status, 200);
    let stops = at(&snoozed.json()["idle"]["stopsAt"]);
    assert!(stops.duration_since(asked) >= SignedDuration::from_hours(2));
    for (wish, message) in
        [("5h", "must lie between 1m and 4h"), ("10s", "must lie between 1m and 4h"), ("soon", "no duration")]
    {
        let refused = browser.post(&path, json!({ "for": wish })).await;
        let error = refused.json()["errors"][0].clone();
        assert_eq!((refused.status, error["field"].as_str()), (400, Some("for")), "{wish}");
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    }
}

#[actix_web::test]
async fn those_who_reconcile_sessions_hear_when_an_idle_deadline_changes() {
    let world = World::start().await;
    let browser = world.browser("alice").await;
    let session = world.session("alice").await;
    let mut changes = world.app.presence().changes();
    browser.connect(&session).await;
    assert_eq!(changes.recv().await.unwrap(), session);
    browser.post(&format!("/api/v1/sessions/{session}/snooze"), json!({ "for": "1h" })).await;
    assert_eq!(changes.recv().await.unwrap(), session);
}
