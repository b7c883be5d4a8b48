//! `/api/v1/ws/jobs`: every reader on every replica hears of every change.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    jobs::{self, New},
    store::{self, jobs::locks},
};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::{app::TestApp, client::Client};

/// Longest wait for a frame.
const SOON: Duration = Duration::from_secs(10);

struct Reader(WebSocketStream<tokio::net::TcpStream>);

impl Reader {
    /// Opens a socket with a ticket of `person`; the status where that is refused.
    async fn open(app: &TestApp, person: &Client, path: &str) -> Self {
        let made = person.post("/api/v1/ws/tickets", Value::Null).await.json();
        let ticket = made["ticket"].as_str().unwrap();
        let and = if path.contains('?') { '&' } else { '?' };
        let url = format!("ws://localhost:{}{path}{and}ticket={ticket}", app.address().port());
        let stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
        Self(client_async(url.into_client_request().unwrap(), stream).await.unwrap().0)
    }

    /// The next message.
    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(SOON, self.0.next()).await.expect("a frame").unwrap().unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Reads until a message about `id` in that state.
    async fn until(&mut self, id: &str, status: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["job"]["id"] == id && message["job"]["status"] == status {
                return message;
            }
        }
    }
}

async fn add(app: &TestApp, target: &str, by: Option<&str>) -> String {
    let new = New { created_by: by.map(str::to_owned), ..jobs::new("sync", target) };
    jobs::enqueue(&app.app.pool.get().await.unwrap(), &new).await.unwrap().0.id
}

async fn cancel(app: &TestApp, id: &str) {
    let db = app.app.pool.get().await.unwrap();
    store::jobs::cancel(&db, id).await.unwrap().unwrap();
    store::jobs::feed::announce(&db).await.unwrap();
}

#[actix_web::test]
async fn a_change_reaches_the_readers_of_every_replica_as_get_would_show_it() {
    let one = TestApp::start().await;
    let olga = one.person("olga", &[Role::Operator]).await;
    let other = one.twin().await;
    let before = add(&one, "a", None).await;
    let mut readers =
        [Reader::open(&one, &olga, "/api/v1/ws/jobs").await, Reader::open(&other, &olga, "/api/v1/ws/jobs").await];
    for reader in &mut readers {
        let snapshot = reader.next().await;
        assert_eq!((&snapshot["type"], &snapshot["resumed"]), (&"snapshot".into(), &false.into()));
        let there = snapshot["items"].as_array().unwrap().iter().any(|job| job["id"] == before.as_str());
        if !there {
            reader.until(&before, "PENDING").await;
        }
    }
    let id = add(&one, "b", None).await;
    for reader in &mut readers {
        let created = reader.until(&id, "PENDING").await;
        assert_eq!(created["type"], "job.created");
    }
    cancel(&other, &id).await;
    let shown = olga.get(&format!("/api/v1/jobs/{id}")).await.json();
    for reader in &mut readers {
        let updated = reader.until(&id, "CANCELLED").await;
        assert_eq!((&updated["type"], &updated["job"]), (&"job.updated".into(), &shown));
    }
}

#[actix_web::test]
async fn a_reader_that_comes_back_gets_what_it_missed_from_any_replica() {
    let one = TestApp::start().await;
    let olga = one.person("olga", &[Role::Operator]).await;
    let id = add(&one, "a", None).await;
    let mut reader = Reader::open(&one, &olga, "/api/v1/ws/events?topics=jobs").await;
    let mut cursor = reader.next().await["cursor"].as_str().unwrap().to_owned();
    let other = one.twin().await;
    let mut watching = Reader::open(&other, &olga, "/api/v1/ws/events?topics=jobs").await;
    watching.next().await;
    if cursor.starts_with("jobs:0") {
        cursor = reader.next().await["cursor"].as_str().unwrap().to_owned();
    }
    reader.0.close(None).await.unwrap();
    cancel(&one, &id).await;
    watching.until(&id, "CANCELLED").await;
    let mut back = Reader::open(&other, &olga, "/api/v1/ws/events").await;
    let subscribe = json!({ "type": "subscribe", "topic": "jobs", "cursor": cursor }).to_string();
    back.0.send(Message::text(subscribe)).await.unwrap();
    let begin = back.next().await;
    assert_eq!((&begin["resumed"], &begin["items"], &begin["topic"]), (&true.into(), &json!([]), &"jobs".into()));
    let missed = back.next().await;
    assert_eq!((&missed["job"]["id"], &missed["job"]["status"]), (&id.as_str().into(), &"CANCELLED".into()));
}

#[actix_web::test]
async fn a_person_hears_of_their_own_jobs_and_of_no_others() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let mut reader = Reader::open(&app, &alice, "/api/v1/ws/jobs").await;
    reader.next().await;
    let (foreign, hers) = (add(&app, "a", Some("bob")).await, add(&app, "b", Some("alice")).await);
    let platforms = add(&app, "c", None).await;
    let last = add(&app, "d", Some("alice")).await;
    let heard = [reader.next().await, reader.next().await].map(|message| message["job"]["id"].clone());
    assert_eq!(heard, [hers, last]);
    let olga = app.person("olga", &[Role::Operator]).await;
    let snapshot = Reader::open(&app, &olga, "/api/v1/ws/jobs").await.next().await.to_string();
    assert!(snapshot.contains(&foreign) && snapshot.contains(&platforms), "control: others do see them");
}

#[actix_web::test]
async fn a_job_that_is_removed_goes_from_the_feed() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    let id = add(&app, "a", None).await;
    let mut reader = Reader::open(&app, &olga, "/api/v1/ws/jobs").await;
    reader.next().await;
    cancel(&app, &id).await;
    reader.until(&id, "CANCELLED").await;
    let db = app.app.pool.get().await.unwrap();
    db.execute("UPDATE jobs SET finished_at = finished_at - interval '15 days'", &[]).await.unwrap();
    assert_eq!(store::jobs::remove_old(&db, 14.0 * 86_400.0, 10).await.unwrap(), 1);
    store::jobs::feed::announce(&db).await.unwrap();
    loop {
        let message = reader.next().await;
        if message["type"] == "job.deleted" {
            assert_eq!(message["job"]["id"], id.as_str());
            return;
        }
    }
}

#[actix_web::test]
async fn numbers_become_visible_in_their_order_however_many_write_and_number_at_once() {
    let app = TestApp::start().await;
    let pool = app.app.pool.clone();
    let write = |part: usize| {
        let pool = pool.clone();
        async move {
            for at in 0..40 {
                let mut client = pool.get().await.unwrap();
                let transaction = client.transaction().await.unwrap();
                jobs::enqueue(&transaction, &jobs::new("sync", format!("{part}/{at}"))).await.unwrap();
                transaction.commit().await.unwrap();
                store::jobs::feed::number(&client).await.unwrap();
            }
        }
    };
    let read = async {
        let (db, mut seen, mut last) = (pool.get().await.unwrap(), std::collections::BTreeSet::new(), 0);
        while seen.len() < 160 {
            for change in store::jobs::feed::after(&db, last, 50).await.unwrap() {
                assert!(change.number > last);
                last = change.number;
                if let store::jobs::feed::What::Now(job) = change.what {
                    assert!(seen.insert(job.id), "nothing changed twice");
                }
            }
        }
    };
    let all = async { tokio::join!(write(0), write(1), write(2), write(3), read) };
    timeout(SOON * 3, all).await.expect("the reader misses none");
    let worker = locks::Worker { id: uuid::Uuid::new_v4(), folder: None };
    let taken = locks::take(&pool.get().await.unwrap(), &worker, &["sync"], 500, SOON).await.unwrap();
    assert_eq!(taken.len(), 160);
}
