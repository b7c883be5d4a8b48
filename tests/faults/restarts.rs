//! F2: the server ends, the sessions go on.

use std::time::Instant;

use futures::{StreamExt, stream};
use serde_json::json;

use super::server::{Server, marked, until};

/// Sessions that live through it.
const SESSIONS: usize = 100;

#[tokio::test]
async fn a_hundred_sessions_live_through_a_stop_and_a_crash_of_the_server() {
    let mut server = Server::start("restart").await;
    let marker = format!("restart-{}", std::process::id());
    server.counter_template(&marker).await;
    let wish = json!({ "template": "counter", "persistentHome": false });
    let creates = stream::iter(0..SESSIONS).map(|_| server.session(wish.clone())).buffer_unordered(8);
    let names: Vec<String> = creates.collect().await;
    server.all_reach(SESSIONS, "Running").await;
    let before = marked(&marker);
    assert_eq!(before.len(), SESSIONS);

    for crash in [false, true] {
        let counts = counts(&server, &names).await;
        if crash {
            server.kill();
        } else {
            server.stop();
        }
        assert_eq!(marked(&marker), before, "nothing ended with the server");
        server.run().await;
        let back = Instant::now();
        let states = server.all_reach(SESSIONS, "Running").await;
        println!("{SESSIONS} sessions re-adopted within {:?} of the first answer", back.elapsed());
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
    let lines: Vec<String> = stream::iter(names).map(|name| server.last_line(name)).buffered(8).collect().await;
    lines.iter().map(|line| line.parse().unwrap_or(0)).collect()
}
