//! F3: the database is killed and stays away, again and again.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpStream;

use super::{
    postgres::Postgres,
    server::{Answer, Server, until},
    window::Window,
};

/// Times that the database is killed.
const ROUNDS: usize = 10;
/// How long it stays away each time.
const AWAY: Duration = Duration::from_secs(30);
/// A write has its answer within this time, whatever happens.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Once the database is there, everything works again within this time.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Who writes begins so often.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// Writes of each kind that are acknowledged before the next kill.
const BETWEEN_KILLS: usize = 20;

/// What is written: objects, which have a watch, and rows.
const KINDS: [&str; 2] = ["templates", "users"];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_ten_times_loses_no_acknowledged_write_and_no_open_session() {
    let database = Postgres::start();
    database.database("streamspace").await;
    let folder = database.folder().display().to_string();
    let settings =
        [("DB_HOST", folder.as_str()), ("DB_USER", "postgres"), ("DB_NAME", "streamspace"), ("AUTH_MODE", "hybrid")];
    let mut server = Server::start_with("database", &settings).await;
    server.sign_in().await;
    let terminal = server.session(json!({ "template": "terminal" })).await;
    server.reaches(&terminal, "Running").await;
    let (request, line) = server.enter(&terminal).await.socket("/shell?columns=80&rows=24").await;
    let mut window = Window::open(request, line).await;

    let work = Work::default();
    let rounds = async {
        for round in 1..=ROUNDS {
            work.acknowledged(BETWEEN_KILLS * KINDS.len()).await;
            kill_for_a_while(&database, &server, &work, &mut window, round).await;
        }
        work.over.store(true, SeqCst);
    };
    let (objects, rows, ()) = tokio::join!(work.write(&server, KINDS[0]), work.write(&server, KINDS[1]), rounds);
    println!("{} and {} writes were acknowledged, {} refused", objects.len(), rows.len(), work.refused.load(SeqCst));
    for (kind, acknowledged) in KINDS.iter().zip([objects, rows]) {
        let there = names(&server, kind).await;
        let lost: Vec<&String> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "{kind} that were acknowledged and are lost: {lost:?}");
    }
    let after = server.get(&terminal).await;
    assert_eq!((&after["status"]["phase"], &after["status"]["run"]), (&json!("Running"), &json!(1)), "{after:#}");
    server.delete_all().await;
}

/// Kills the database, looks at what goes on without it, and waits until all of it is back.
async fn kill_for_a_while(
    database: &Postgres,
    server: &Server,
    work: &Work,
    window: &mut Window<TcpStream>,
    round: usize,
) {
    let refused = work.refused.load(SeqCst);
    work.away.store(true, SeqCst);
    database.kill();
    let killed = Instant::now();
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let mut looks = 0;
    while killed.elapsed() < AWAY {
        look.tick().await;
        looks += 1;
        // Not the text that is typed: what the shell makes of it.
        window.type_in(&format!("echo round-$(({round} + 0))-$(({looks} + 0))\r")).await;
        window.shows(&format!("round-{round}-{looks}\r\n")).await;
    }
    let refused = work.refused.load(SeqCst) - refused;
    assert!(refused > looks, "{refused} writes were refused in {:?}", killed.elapsed());
    let began = Instant::now();
    database.recover();
    let (recovered, back) = (began.elapsed(), Instant::now());
    work.acknowledged(KINDS.len()).await;
    let (writes, decided) = (back.elapsed(), decides(server, back).await);
    work.away.store(false, SeqCst);
    println!(
        "round {round}: {refused} writes refused, the window answered {looks} times; PostgreSQL took {recovered:?} to be \
         there, the writes {writes:?} and the controller {decided:?} from then on"
    );
    assert!(
        writes <= BACK_WITHIN && decided <= BACK_WITHIN,
        "writes after {writes:?}, the controller after {decided:?}"
    );
}

/// How long after `back` the controller has acted upon a new session.
async fn decides(server: &Server, back: Instant) -> Duration {
    let name = server.session(json!({ "template": "terminal", "persistentHome": false })).await;
    until("the controller acts", async || (server.get(&name).await["status"]["run"] == 1).then_some(())).await;
    let decided = back.elapsed();
    let gone = server.call("DELETE", &format!("/api/v1/sessions/{name}"), None).await;
    assert!(gone.status < 300, "{gone:?}");
    decided
}

/// Every name of that kind.
async fn names(server: &Server, kind: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for page in 1.. {
        let path = format!("/api/v1/{kind}?pageSize=500&page={page}");
        let list = server.call("GET", &path, None).await.body;
        let items = list["items"].as_array().expect("items");
        let name =
            |item: &serde_json::Value| item["metadata"]["name"].as_str().or(item["name"].as_str()).map(str::to_owned);
        all.extend(items.iter().filter_map(name));
        if items.is_empty() {
            break;
        }
    }
    all
}

/// Those who write all the while.
#[derive(Default)]
struct Work {
    /// The database may be away.
    away: AtomicBool,
    over: AtomicBool,
    /// Of all kinds together.
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

impl Work {
    /// Waits until so many writes were acknowledged from now on.
    async fn acknowledged(&self, enough: usize) {
        let before = self.acknowledged.load(SeqCst);
        until("writes are acknowledged", async || (self.acknowledged.load(SeqCst) >= before + enough).then_some(()))
            .await;
    }

    /// Writes until it is over; the names that were acknowledged.
    async fn write(&self, server: &Server, kind: &str) -> BTreeSet<String> {
        let mut acknowledged = BTreeSet::new();
        let mut pace = tokio::time::interval(WRITE_EVERY);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for number in 0.. {
            pace.tick().await;
            if self.over.load(SeqCst) {
                break;
            }
            let name = format!("kept-{number}");
            let began = Instant::now();
            let answer = server.call("POST", &format!("/api/v1/{kind}"), Some(wish(kind, &name))).await;
            let took = began.elapsed();
            assert!(took <= ANSWERED_WITHIN, "{kind}: {took:?} until {answer:?}");
            if self.judge(&answer) {
                acknowledged.insert(name);
            }
        }
        acknowledged
    }

    /// Whether a write was acknowledged; otherwise it was refused as it should be.
    fn judge(&self, answer: &Answer) -> bool {
        if answer.status == 201 {
            self.acknowledged.fetch_add(1, SeqCst);
            return true;
        }
        assert!(self.away.load(SeqCst), "{answer:?}");
        assert_eq!(answer.status, 503, "{answer:?}");
        let again: u64 = answer.retry_after.as_ref().expect("Retry-After").parse().expect("seconds");
        assert!(again > 0, "{answer:?}");
        self.refused.fetch_add(1, SeqCst);
        false
    }
}

fn wish(kind: &str, name: &str) -> serde_json::Value {
    match kind {
        "users" => json!({ "name": name }),
        _ => json!({ "name": name, "displayName": name, "baseImage": "none", "webapp": { "port": 8000 } }),
    }
}
