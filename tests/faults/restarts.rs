//! F2: the server ends, the sessions go on.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use super::server::{Server, marked, until};

/// Sessions that live through it.
const SESSIONS: usize = 100;

#[tokio::test]
async fn a_hundred_sessions_live_through_a_stop_and_a_crash_of_the_server() {
    let mut server = Server::start("restart").await;
    let marker = format!("restart-{}", std::process::id());
    server.counter_template(&marker).await;
    let names = join_all((0..SESSIONS).map(|_| server.session(json!({ "template": "counter", "persistentHome": false })))).await;
    join_all(names.iter().map(|name| server.reaches(name, "Running"))).await;
    let before = marked(&marker);
    assert_eq!(before.len(), SESSIONS);

    for crash in [false, true] {
        let counts = counts(&server, &names).await;
        if crash { server.kill() } else { server.stop() }
        assert_eq!(marked(&marker), before, "nothing ended with the server");
        server.run().await;
        let back = Instant::now();
        let states = join_all(names.iter().map(|name| server.reaches(name, "Running"))).await;
        assert!(back.elapsed() < Duration::from_secs(3), "re-adopted in {:?}", back.elapsed());
        assert_eq!(marked(&marker), before, "the same processes, crash: {crash}");
        assert!(states.iter().all(|session| session["status"]["run"] == 1), "nothing was started twice");
        until("every counter goes on", async || {
            let now = self::counts(&server, &names).await;
            counts.iter().zip(&now).all(|(then, now)| now > then).then_some(())
        })
        .await;
    }
    server.delete_all().await;
    assert_eq!(marked(&marker), []);
}

async fn counts(server: &Server, names: &[String]) -> Vec<u64> {
    let lines = join_all(names.iter().map(|name| server.last_line(name))).await;
    lines.iter().map(|line| line.parse().unwrap_or(0)).collect()
}
