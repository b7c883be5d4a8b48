//! What the hub promises, tried on a store in memory.

use std::{collections::BTreeMap, time::Duration};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Cursor, LogWish, Scope, Subject,
    testing::{Control, Line, Memory, Output, Person, Reader, SOON, World, access, own, session},
};
use crate::{clock::Clock, store::notices::Notice};

fn names(snapshot: &Value) -> Vec<&str> {
    let items = snapshot["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

/// Type and name of a change.
fn what(message: &Value) -> (&str, &str) {
    (message["type"].as_str().unwrap(), message["session"]["metadata"]["name"].as_str().unwrap_or_default())
}

/// The number in the cursor's first pair.
fn place(message: &Value) -> f64 {
    let pair = message["cursor"].as_str().unwrap().split(',').next().unwrap();
    pair.strip_prefix("sessions:").unwrap().parse().unwrap()
}

/// Waits until the hub knows what the store holds. Only what a new reader begins with tells: the last change may be one
/// that was told without its number, such as a deletion that a list did not show.
async fn settled(world: &World) {
    #[allow(clippy::cast_precision_loss, reason = "tests make few changes")]
    let number = world.sessions.number() as f64;
    let look = async {
        while place(&world.read(&Person::new("probe", Scope::All), "").next().await) < number {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(SOON, look).await.is_ok(), "the hub does not hear of change {number}");
}

#[tokio::test]
async fn a_reader_gets_what_is_there_and_then_each_change_as_get_would_show_it() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    world.sessions.put("b1", "bob", "1");
    settled(&world).await;
    let mut reader = world.read(&Person::new("alice", own("alice")), "");
    let snapshot = reader.next().await;
    assert_eq!((snapshot["type"].as_str(), snapshot["resumed"].as_bool()), (Some("snapshot"), Some(false)));
    assert_eq!(snapshot["topic"], "sessions");
    assert_eq!(snapshot["items"], json!([world.sessions.objects()["a1"]]));
    world.sessions.put("a1", "alice", "2");
    let updated = reader.next().await;
    world.sessions.put("b1", "bob", "2");
    world.sessions.put("a2", "alice", "1");
    let created = reader.next().await;
    world.sessions.remove("a1");
    let messages = [updated, created, reader.next().await];
    let told: Vec<_> = messages.iter().map(what).collect();
    assert_eq!(told, [("session.updated", "a1"), ("session.created", "a2"), ("session.deleted", "a1")]);
    assert_eq!(messages[1]["session"], world.sessions.objects()["a2"]);
    assert!([&snapshot, &messages[0], &messages[1], &messages[2]].map(place).is_sorted_by(|a, b| a < b));
    assert!(messages[0]["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[tokio::test]
async fn a_reader_that_comes_before_the_objects_are_read_gets_them_when_they_are() {
    let world = World::start();
    let mut reader = world.read(&Person::new("alice", own("alice")), "");
    world.sessions.put("a1", "alice", "1");
    let snapshot = reader.next().await;
    // Whichever was first: the snapshot holds it, or a change brings it.
    if names(&snapshot).is_empty() {
        assert_eq!(what(&reader.next().await), ("session.created", "a1"));
    } else {
        assert_eq!(names(&snapshot), ["a1"]);
    }
}

#[tokio::test]
async fn a_reader_that_was_away_gets_what_it_missed_and_nothing_twice() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let cursor = world.read(&alice, "").next().await["cursor"].as_str().unwrap().to_owned();
    for tag in ["1", "2", "3"] {
        world.sessions.put("a1", "alice", tag);
    }
    world.sessions.put("b1", "bob", "1");
    world.sessions.put("a2", "alice", "1");
    world.sessions.remove("a2");
    settled(&world).await;
    let mut reader = world.read(&alice, &cursor);
    let begin = reader.next().await;
    assert_eq!((&begin["resumed"], &begin["items"]), (&json!(true), &json!([])));
    let messages = [reader.next().await, reader.next().await, reader.next().await];
    let told: Vec<_> = messages.iter().map(what).collect();
    assert_eq!(told, [("session.created", "a1"), ("session.updated", "a1"), ("session.deleted", "a2")]);
    assert_eq!(messages[1]["session"]["spec"]["tags"], json!(["3"]));
    let cursor = messages[2]["cursor"].as_str().unwrap().to_owned();
    let mut reader = world.read(&alice, &cursor);
    assert_eq!(reader.next().await["resumed"], true);
    world.sessions.put("a3", "alice", "1");
    assert_eq!(what(&reader.next().await), ("session.created", "a3"));
}

#[tokio::test]
async fn who_begins_with_the_latest_gets_nothing_of_what_is_there_and_everything_that_comes() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    for person in [Person::new("alice", own("alice")), Person::new("alice", Scope::All)] {
        let mut reader = world.read(&person, "sessions:latest");
        let begin = reader.next().await;
        assert_eq!((&begin["resumed"], names(&begin)), (&json!(true), vec![]));
        // The control: the place that it was told is one to come back to.
        let cursor = begin["cursor"].as_str().unwrap();
        assert_eq!(world.read(&person, cursor).next().await["resumed"], true);
        world.sessions.put("a1", "alice", "2");
        assert_eq!(what(&reader.next().await), ("session.updated", "a1"));
    }
}

#[tokio::test]
async fn a_cursor_that_cannot_be_resumed_from_gives_a_fresh_snapshot() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let (alice, admin) = (Person::new("alice", own("alice")), Person::new("alice", Scope::All));
    let cursor = world.read(&alice, "").next().await["cursor"].as_str().unwrap().to_owned();
    // The control: the same person, the same place.
    assert_eq!(world.read(&alice, &cursor).next().await["resumed"], true);
    for (person, cursor) in [
        (&alice, "sessions:0".to_owned()),
        (&alice, "sessions:99".to_owned()),
        (&alice, format!("{cursor}.000001")),
        (&alice, "templates:1".to_owned()),
        (&alice, "rubbish".to_owned()),
        // Was one's own, is everybody's now, and the other way round.
        (&admin, cursor.clone()),
        (&alice, format!("{cursor},scope:1")),
    ] {
        let snapshot = world.read(person, &cursor).next().await;
        assert_eq!((&snapshot["resumed"], names(&snapshot)), (&json!(false), vec!["a1"]), "{cursor}");
    }
}

#[tokio::test]
async fn a_list_that_has_to_be_read_again_is_told_as_its_difference_deletions_included() {
    let world = World::start();
    for name in ["kept", "changed", "gone1", "gone2"] {
        world.sessions.put(name, "alice", "1");
    }
    settled(&world).await;
    let alice = Person::new("alice", own("alice"));
    let mut reader = world.read(&alice, "");
    let snapshot = reader.next().await;
    let meanwhile = [
        ("gone1".to_owned(), None),
        ("gone2".to_owned(), None),
        ("changed".to_owned(), Some(session("alice", "2"))),
        ("new".to_owned(), Some(session("alice", "1"))),
    ];
    world.sessions.write(meanwhile, true);
    let mut messages = vec![snapshot];
    for _ in 0..4 {
        messages.push(reader.next().await);
    }
    let told: Vec<_> = messages[1..].iter().map(what).collect();
    let expected = [
        ("session.deleted", "gone1"),
        ("session.deleted", "gone2"),
        ("session.updated", "changed"),
        ("session.created", "new"),
    ];
    assert_eq!(told, expected);
    assert!(messages.iter().map(place).is_sorted_by(|a, b| a < b), "{messages:?}");
    // Who was cut off in the middle of it starts afresh.
    let middle = messages[1]["cursor"].as_str().unwrap();
    assert_eq!(world.read(&alice, middle).next().await["resumed"], false);
}

#[tokio::test]
async fn a_reader_killed_and_resumed_fifty_times_among_random_changes_holds_exactly_what_get_gives() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let mut held: BTreeMap<String, Value> = BTreeMap::new();
    let mut cursor = String::new();
    let (mut lives, mut resumed) = (0, 0);
    while lives < 50 {
        let mut reader = world.read(&alice, &cursor);
        let mut first = true;
        for _ in 0..random.random_range(1..20) {
            change(&world.sessions, &mut random);
            // Read a little, so that the connection ends with something unread more often than not.
            while random.random_bool(0.5) {
                let Ok(message) = timeout(Duration::from_millis(1), reader.next()).await else { break };
                resumed += usize::from(first && message["resumed"] == true);
                first = false;
                apply(&mut held, &mut cursor, &message);
            }
        }
        lives += 1;
    }
    assert!(resumed > 10, "{resumed} of {lives} were resumed");
    settled(&world).await;
    let mut reader = world.read(&alice, &cursor);
    let expected: BTreeMap<_, _> =
        world.sessions.objects().into_iter().filter(|(_, object)| object["spec"]["user"] == "alice").collect();
    let caught_up = async {
        loop {
            let message = reader.next().await;
            apply(&mut held, &mut cursor, &message);
            if held == expected {
                return;
            }
        }
    };
    assert!(timeout(SOON, caught_up).await.is_ok(), "seed {seed}: {held:?} instead of {expected:?}");
}

/// One change of one of a few sessions; now and then a list that has to be read again.
fn change(store: &Memory<crate::crd::Session>, random: &mut StdRng) {
    let name = format!("s{}", random.random_range(0..12));
    let there = store.objects().get(&name).map(|object| object["spec"]["user"].as_str().unwrap().to_owned());
    let user = there.clone().unwrap_or_else(|| if random.random_bool(0.7) { "alice" } else { "bob" }.to_owned());
    let delete = there.is_some() && random.random_bool(0.3);
    let object = (!delete).then(|| session(&user, &format!("{}", random.random_range(0..1_000_000))));
    store.write([(name, object)], random.random_bool(0.02));
}

/// What a client does with a message.
fn apply(held: &mut BTreeMap<String, Value>, cursor: &mut String, message: &Value) {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    match message["type"].as_str().unwrap() {
        "snapshot" if message["resumed"] == true => {}
        "snapshot" => {
            *held = message["items"].as_array().unwrap().iter().map(|item| (name(item), item.clone())).collect();
        }
        "session.created" | "session.updated" => {
            held.insert(name(&message["session"]), message["session"].clone());
        }
        "session.deleted" => {
            held.remove(&name(&message["session"]));
        }
        other => panic!("{other}"),
    }
    message["cursor"].as_str().unwrap().clone_into(cursor);
}

#[tokio::test]
async fn what_a_reader_does_not_take_collapses_to_the_latest_states() {
    let world = World::start();
    world.sessions.put("busy", "alice", "0");
    world.sessions.put("gone", "alice", "0");
    settled(&world).await;
    let alice = Person::new("alice", own("alice"));
    let mut reader = world.read(&alice, "");
    reader.next().await;
    for tag in 0..500 {
        world.sessions.put("busy", "alice", &tag.to_string());
        world.sessions.put("gone", "alice", &tag.to_string());
        world.hub.activity("busy", &json!({ "session": "busy", "connections": tag }));
    }
    world.sessions.remove("gone");
    settled(&world).await;
    let mut messages = Vec::new();
    while messages.last().is_none_or(|message| what(message).0 != "session.deleted") {
        messages.push(reader.next().await);
    }
    assert!(messages.len() < 100, "{} messages", messages.len());
    let busy = messages.iter().rfind(|message| what(message) == ("session.updated", "busy")).unwrap();
    assert_eq!(busy["session"]["spec"]["tags"], json!(["499"]));
    let figure = messages.iter().rfind(|message| message["type"] == "session.activity").unwrap();
    assert_eq!(figure["activity"]["connections"], 499);
    let places: Vec<_> = messages.iter().filter(|message| message["cursor"].is_string()).map(place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_bounded_and_closed_while_others_hear_everything() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let (mut slow, mut quick) = (world.read(&alice, ""), world.read(&alice, ""));
    quick.next().await;
    let large = "x".repeat(40);
    for number in 0..3_000 {
        world.sessions.put(&format!("s{number}"), "alice", &large);
        assert_eq!(what(&quick.next().await), ("session.created", &*format!("s{number}")));
    }
    let Control::Close(code, reason) = slow.control().await else { panic!("no close") };
    assert_eq!((code, &*reason), (1013, "you read too slowly: come back with your cursor"));
}

#[tokio::test]
async fn a_reader_that_stalls_is_closed_after_a_few_seconds() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let (mut stalled, mut quick) = (world.read(&alice, ""), world.read(&alice, ""));
    quick.next().await;
    world.sessions.put("s", "alice", "1");
    quick.next().await;
    let closed = async {
        while !format!("{:?}", stalled.socket()).contains("Closing") {
            world.clock.advance(SignedDuration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, closed).await.unwrap();
    assert!(matches!(stalled.control().await, Control::Close(1013, _)));
    // The control: the other one waits for nothing and stays.
    world.sessions.put("s", "alice", "2");
    assert_eq!(what(&quick.next().await), ("session.updated", "s"));
}

#[tokio::test]
async fn what_a_role_shows_comes_as_created_and_what_it_hides_as_deleted() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    world.sessions.put("b1", "bob", "1");
    settled(&world).await;
    let alice = Person::new("alice", own("alice"));
    let mut reader = world.read(&alice, "");
    let snapshot = reader.next().await;
    assert_eq!(names(&snapshot), ["a1"]);
    alice.becomes(Some(access("alice", Scope::All)));
    world.hub.recheck("alice");
    let shown = reader.next().await;
    assert_eq!(what(&shown), ("session.created", "b1"));
    world.sessions.put("b1", "bob", "2");
    let changed = reader.next().await;
    assert_eq!(what(&changed), ("session.updated", "b1"));
    alice.becomes(Some(access("alice", own("alice"))));
    world.hub.recheck("alice");
    let hidden = reader.next().await;
    assert_eq!(what(&hidden), ("session.deleted", "b1"));
    assert!([&snapshot, &shown, &changed, &hidden].map(place).is_sorted_by(|a, b| a < b));
    // What she may not see any more is not told to her; what she may is.
    world.sessions.put("b1", "bob", "3");
    world.sessions.put("a1", "alice", "2");
    assert_eq!(what(&reader.next().await), ("session.updated", "a1"));
}

#[tokio::test]
async fn a_topic_that_may_no_longer_be_read_ends_with_a_word() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let mut reader = world.read(&alice, "");
    reader.next().await;
    alice.becomes(Some(super::Access { sessions: None, ..access("alice", own("alice")) }));
    world.hub.recheck("alice");
    let error = reader.next().await;
    assert_eq!((&error["type"], &error["topic"]), (&json!("error"), &json!("sessions")));
    assert_eq!(error["detail"], "you may no longer read sessions");
    assert_eq!(error["problemType"], "/problems/x");
}

#[tokio::test]
async fn who_is_signed_out_is_closed_and_others_stay() {
    let world = World::start();
    let (alice, bob) = (Person::new("alice", own("alice")), Person::new("bob", own("bob")));
    let (mut hers, mut his) = (world.read(&alice, ""), world.read(&bob, ""));
    his.next().await;
    alice.becomes(None);
    world.hub.recheck_everybody();
    assert_eq!(hers.control().await, Control::Close(1008, "you are signed out".to_owned()));
    world.sessions.put("b1", "bob", "1");
    assert_eq!(what(&his.next().await), ("session.created", "b1"));
    world.hub.close_user("bob");
    assert_eq!(his.control().await, Control::Close(1008, "you are signed out".to_owned()));
}

#[tokio::test]
async fn a_silent_client_is_asked_for_a_sign_of_life_and_closed_without_one() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    settled(&world).await;
    let (mut silent, mut lively) = (world.read(&alice, ""), world.read(&alice, ""));
    // A change reaches those who are looked after; before that the clock would move for nobody.
    world.sessions.put("a1", "alice", "1");
    for reader in [&mut silent, &mut lively] {
        assert_eq!(reader.next().await["type"], "snapshot");
        assert_eq!(what(&reader.next().await), ("session.created", "a1"));
    }
    world.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(lively.control().await, Control::Ping);
    lively.socket().heard();
    assert_eq!(silent.control().await, Control::Ping);
    world.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(lively.control().await, Control::Ping);
    assert_eq!(silent.control().await, Control::Close(1001, "no sign of life".to_owned()));
}

#[tokio::test]
async fn a_stop_sends_everybody_away_with_a_time_to_come_back_at_and_lets_nobody_in() {
    let world = World::start();
    let alice = Person::new("alice", own("alice"));
    let mut reader = world.read(&alice, "");
    reader.next().await;
    let leave = async {
        let Control::Close(code, reason) = reader.control().await else { panic!("no close") };
        let wait = reason.strip_prefix("the server restarts: reconnect in ").and_then(|rest| rest.strip_suffix(" ms"));
        assert_eq!(code, 1001);
        assert!(wait.unwrap().parse::<u64>().unwrap() <= 1_000, "{reason}");
        reader.socket().client_closed();
        assert!(reader.frame().await.is_none());
        drop(reader);
    };
    tokio::join!(world.hub.shutdown(), leave);
    assert_eq!(world.hub.connections(), 0);
    let refused = world.hub.open(access("alice", own("alice")), Box::new(alice), true, super::Line::default());
    assert!(matches!(refused, Err(crate::Error::Unavailable(_))));
}

#[tokio::test]
async fn a_warning_reaches_its_person_and_a_figure_those_who_see_the_session() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let mut readers = [("alice", own("alice")), ("bob", own("bob")), ("root", Scope::All)]
        .map(|(user, scope)| world.read(&Person::new(user, scope), ""));
    for reader in &mut readers {
        reader.next().await;
        world.hub.read_notifications(reader.socket());
        assert_eq!(reader.next().await["topic"], "notifications");
    }
    world.hub.activity("a1", &json!({ "session": "a1" }));
    let stops_at = world.clock.now() + SignedDuration::from_mins(5);
    let notice = Notice {
        session_uid: "uid".into(),
        session: "a1".into(),
        user: "alice".into(),
        reason: "IdleStop".into(),
        message: "soon}".into(),
        at: world.clock.now(),
        stops_at,
    };
    world.hub.notices(vec![(7, notice.clone())]);
    world.sessions.put("b1", "bob", "1");
    let [mut alice, mut bob, mut root] = readers;
    let figure = alice.next().await;
    assert_eq!((&figure["type"], &figure["topic"]), (&json!("session.activity"), &json!("sessions")));
    assert_eq!(figure["activity"], json!({ "session": "a1" }));
    let warned = alice.next().await;
    assert_eq!((&warned["type"], &warned["session"]), (&json!("session.warning"), &json!("a1")));
    assert_eq!((&warned["topic"], &warned["cursor"]), (&json!("notifications"), &json!("notifications:7")));
    assert_eq!((&warned["stopsAt"], &warned["message"]), (&json!(stops_at), &json!("soon}")));
    assert_eq!(what(&bob.next().await), ("session.created", "b1"));
    assert_eq!(root.next().await["type"], "session.activity");
    assert_eq!(what(&root.next().await), ("session.created", "b1"));

    // Read again it is told nobody twice; whoever comes later begins with what still holds.
    let later = Notice { user: "bob".into(), reason: "MaxDuration".into(), ..notice.clone() };
    world.hub.notices(vec![(7, notice), (8, later)]);
    assert_eq!(bob.next().await["reason"], "MaxDuration");
    let there = |user: &str| {
        let mut reader = world.connect(&Person::new(user, own(user)), super::Line::default());
        world.hub.read_notifications(reader.socket());
        async move { reader.next().await }
    };
    let snapshot = there("alice").await;
    assert_eq!((&snapshot["cursor"], &snapshot["items"][0]["session"]), (&json!("notifications:8"), &json!("a1")));
    assert_eq!(snapshot["items"].as_array().unwrap().len(), 1);
    world.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(there("alice").await["items"], json!([]));
    world.hub.activity("a1", &json!({}));
    assert_eq!(alice.next().await["type"], "session.activity", "and she heard nothing twice");
}

#[tokio::test]
async fn a_topic_that_is_left_is_silent_and_one_that_is_taken_up_again_begins_anew() {
    let world = World::start();
    let mut reader = world.read(&Person::new("alice", own("alice")), "");
    reader.next().await;
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    world.hub.stop_reading(reader.socket(), Subject::Sessions);
    world.sessions.put("a2", "alice", "1");
    settled(&world).await;
    world.hub.read(reader.socket(), Subject::Sessions, Cursor::default());
    let snapshot = reader.next().await;
    assert_eq!(names(&snapshot), ["a1", "a2"]);
}

#[tokio::test]
async fn templates_are_everybodys() {
    let world = World::start();
    let template = json!({
        "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Template",
        "spec": { "displayName": "Terminal", "baseImage": "x" },
    });
    world.templates.write([("terminal".to_owned(), Some(template))], false);
    let mut reader = world.connect(&Person::new("bob", own("bob")), super::Line::default());
    world.hub.read(reader.socket(), Subject::Templates, Cursor::default());
    let mut snapshot = reader.next().await;
    if snapshot["items"] == json!([]) {
        snapshot = json!({ "items": [reader.next().await["template"]] });
    }
    assert_eq!(snapshot["items"][0]["spec"]["displayName"], "Terminal");
}

#[tokio::test]
async fn two_hubs_over_one_store_tell_the_same_places() {
    let store = Memory::new();
    let (one, other) = (World::over(store.clone()), World::over(store.clone()));
    let alice = Person::new("alice", own("alice"));
    let mut readers: [Reader; 2] = [one.read(&alice, ""), other.read(&alice, "")];
    for reader in &mut readers {
        reader.next().await;
    }
    store.put("a1", "alice", "1");
    let mut told = Vec::new();
    for reader in &mut readers {
        told.push(reader.next().await);
    }
    assert_eq!(told[0]["cursor"], told[1]["cursor"]);
    assert_eq!(told[0]["session"], told[1]["session"]);
    // And one can be left for the other.
    let cursor = told[0]["cursor"].as_str().unwrap();
    assert_eq!(other.read(&alice, cursor).next().await["resumed"], true);
}

fn lines(texts: impl IntoIterator<Item = String>) -> Vec<Line> {
    texts.into_iter().map(Line).collect()
}

#[tokio::test]
async fn the_owner_reads_the_log_in_batches_and_hears_of_its_end() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let engine = Output::of(lines(["one".to_owned(), "x".repeat(20_000)]));
    let mut reader = world.connect(&Person::new("alice", own("alice")), super::Line::default());
    let wish = LogWish { timestamps: false, ..LogWish::default() };
    world.hub.read_logs(reader.socket(), &engine.engine(), ("local", "logs-of-alice"), wish).unwrap();
    let message = reader.next().await;
    assert_eq!((&message["type"], &message["topic"]), (&json!("log.lines"), &json!("logs/local/logs-of-alice")));
    assert_eq!(message["lines"][0], json!({ "stream": "stdout", "text": "one" }));
    assert_eq!(message["lines"][1]["cut"], 20_000 - 16 * 1024);
    let end = reader.next().await;
    assert_eq!((&end["type"], &end["topic"]), (&json!("log.end"), &json!("logs/local/logs-of-alice")));
}

#[tokio::test]
async fn a_log_that_is_not_ones_own_does_not_exist() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let engine = Output::of(lines(["secret".to_owned()]));
    let ask = |user: &str, scope: Scope, place: (&str, &str)| {
        let reader = world.connect(&Person::new(user, scope), super::Line::default());
        world
            .hub
            .read_logs(reader.socket(), &engine.engine(), place, LogWish::default())
            .map_err(|error| error.to_string())
    };
    let hers = ("local", "logs-of-alice");
    assert_eq!(ask("alice", own("alice"), hers), Ok(()));
    assert_eq!(ask("root", Scope::All, hers), Ok(()));
    assert_eq!(ask("bob", own("bob"), hers), Err("logs local/logs-of-alice does not exist".to_owned()));
    // Exactly as one that really is not there.
    assert_eq!(ask("bob", own("bob"), ("local", "nothing")), Err("logs local/nothing does not exist".to_owned()));
    assert!(ask("alice", own("alice"), ("other", "logs-of-alice")).is_err());
}

#[tokio::test]
async fn a_log_stops_when_the_right_to_read_it_goes() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let root = Person::new("root", Scope::All);
    let mut reader = world.connect(&root, super::Line::default());
    let engine = Output::endless();
    world.hub.read_logs(reader.socket(), &engine.engine(), ("local", "logs-of-alice"), LogWish::default()).unwrap();
    assert_eq!(reader.next().await["type"], "log.lines");
    root.becomes(Some(access("root", own("root"))));
    world.hub.recheck("root");
    let error = loop {
        let message = reader.next().await;
        if message["type"] != "log.lines" {
            break message;
        }
    };
    assert_eq!((&error["type"], &error["topic"]), (&json!("error"), &json!("logs/local/logs-of-alice")));
}

#[tokio::test]
async fn lines_that_a_slow_reader_does_not_take_are_counted() {
    let world = World::start();
    world.sessions.put("a1", "alice", "1");
    settled(&world).await;
    let mut reader = world.connect(&Person::new("alice", own("alice")), super::Line::default());
    let all = 4_000;
    let engine = Output::of(lines((0..all).map(|number| format!("{number} {}", "x".repeat(100)))));
    let wish = LogWish { tail: all, ..LogWish::default() };
    world.hub.read_logs(reader.socket(), &engine.engine(), ("local", "logs-of-alice"), wish).unwrap();
    // Taken up only once lines have been dropped.
    let dropped = async {
        while engine.left() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, dropped).await.unwrap();
    let (mut read, mut dropped) = (0, 0);
    loop {
        let message = reader.next().await;
        read += message["lines"].as_array().map_or(0, Vec::len);
        dropped += message["dropped"].as_u64().unwrap_or_default();
        if message["type"] == "log.end" {
            break;
        }
    }
    assert!(dropped > 0);
    assert_eq!(read as u64 + dropped, all as u64);
}
