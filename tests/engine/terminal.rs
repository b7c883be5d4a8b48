//! The app of the template `terminal`, in a sandbox, through the engine.

use serde_json::json;
use streamspace::engine::{Connection, Workload};

use crate::{
    support::{Host, exchange, workload},
    window::Window,
};

fn terminal(user: &str) -> Workload {
    Workload {
        ports: vec![8000],
        template: "terminal".into(),
        ..workload(user, &["streamspace", "terminal", "--port", "8000"])
    }
}

/// A window as the page opens it.
pub async fn open(host: &Host, workload: &Workload, columns: u16, rows: u16) -> Window<Box<dyn Connection>> {
    let connection = host.dial(&workload.session, 8000).await;
    Window::open(format!("ws://localhost/shell?columns={columns}&rows={rows}"), connection).await
}

#[tokio::test]
async fn the_shell_understands_what_is_typed_in_any_script() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let mut window = open(&host, &workload, 90, 30).await;
    window.type_in("printf '%s=%s\\n' \"$USER\" 'ä € @ 漢' | tr = :\r").await;
    window.shows("alice:ä € @ 漢").await;
    window.type_in("stty size; tty\r").await;
    window.shows("30 90\r\n/dev/pts/").await;
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn the_shell_lives_on_while_nobody_looks_and_a_new_window_shows_what_was_written() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let mut window = open(&host, &workload, 80, 24).await;
    window.type_in("memory=kept; echo be''fore\r").await;
    window.shows("before").await;
    drop(window);
    let mut window = open(&host, &workload, 80, 24).await;
    assert!(window.told("replay").await["bytes"].as_u64().unwrap() > 0);
    window.shows("before").await;
    window.type_in("echo $memory-too\r").await;
    window.shows("kept-too").await;
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn two_windows_show_the_same_shell_and_the_one_that_is_used_leads() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let mut first = open(&host, &workload, 100, 40).await;
    assert_eq!(first.told("layout").await, json!({ "type": "layout", "columns": 100, "rows": 40, "leads": true }));
    let mut second = open(&host, &workload, 70, 20).await;
    assert_eq!(first.told("layout").await, json!({ "type": "layout", "columns": 70, "rows": 20, "leads": false }));
    second.type_in("echo ty''ped\r").await;
    first.shows("typed").await;
    second.shows("typed").await;
    first.say(json!({ "type": "resize", "columns": 120, "rows": 50 })).await;
    second.type_in("echo o''ver\r").await;
    first.shows("over").await;
    first.type_in("stty size\r").await;
    first.shows("50 120").await;
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn a_shell_that_ended_is_followed_by_another_when_the_person_asks() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let mut window = open(&host, &workload, 80, 24).await;
    window.type_in("exit 3\r").await;
    assert_eq!(window.told("ended").await, json!({ "type": "ended", "status": 3 }));
    // Someone who looks in only now is told as well.
    let mut late = open(&host, &workload, 80, 24).await;
    assert_eq!(late.told("replay").await["ended"], 3);
    window.say(json!({ "type": "again" })).await;
    window.told("started").await;
    window.type_in("echo a''gain\r").await;
    window.shows("again").await;
    late.shows("again").await;
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn a_window_that_does_not_read_loses_no_last_line() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let mut busy = open(&host, &workload, 80, 24).await;
    let mut slow = open(&host, &workload, 80, 24).await;
    // More than all buffers between hold; the slow window takes nothing of it meanwhile.
    busy.type_in("seq 1 1000000; echo the e''nd\r").await;
    busy.shows("the end").await;
    slow.shows("the end").await;
    host.remove(&workload.session).await;
}

#[tokio::test]
async fn the_page_comes_with_the_program_and_runs_no_script_of_others() {
    let host = Host::start().await;
    let workload = terminal("alice");
    host.listening(&workload).await;
    let answer = exchange(host.dial(&workload.session, 8000).await, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_lowercase().contains("content-security-policy: default-src 'self'"), "{answer}");
    assert!(answer.contains("<title>Terminal</title>"), "{answer}");
    host.remove(&workload.session).await;
}
