//! What every store of objects promises, as tests that each adapter passes against the real thing.
//!
//! No part of the library: the adapters' tests take this file in by its path and call [`object_store_contract`] with a
//! function that gives an empty store.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all, stream::BoxStream};
use kube::{
    core::{Expression, Selector},
    runtime::watcher::Event,
};
use serde_json::{Value, json};
use streamspace::{
    crd::{DesiredState, EventType, Phase, Session, SessionSpec, SessionStatus},
    objects::{Change, Epoch, ObjectError, ObjectStore, Occurrence, Precondition},
    telemetry::task,
};

/// A store to try, empty at first.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn ObjectStore<Session>>;

    /// Makes somebody else the leader and returns the epoch.
    async fn new_leader(&self) -> Epoch;

    /// Forgets the changes made so far, as the passing of time would.
    async fn forget(&self);
}

/// Makes one test of each promise. The argument is an async function without arguments that returns a [`Subject`].
macro_rules! object_store_contract {
    ($start:path) => {
        $crate::contract::object_store_contract!($start:
            a_new_object_gets_what_only_the_store_may_say
            a_name_is_given_once_however_many_ask
            what_does_not_exist_is_said_not_to
            a_name_used_again_is_another_object
            of_writers_that_read_the_same_version_one_wins
            a_replace_without_a_version_overwrites
            the_generation_grows_with_the_spec_alone
            a_write_that_changes_nothing_is_none
            the_status_is_written_apart
            a_status_of_an_older_version_is_refused
            an_object_with_finalizers_waits_for_them
            no_finalizer_joins_an_object_that_is_being_deleted
            a_condition_that_does_not_hold_prevents_the_write
            selectors_find_by_labels
            what_the_store_has_set_cannot_be_changed
            a_merge_patch_follows_its_rfc
            what_a_patch_takes_away_falls_back_to_its_default
            a_field_that_does_not_exist_is_named_with_its_path
            wrong_values_are_named_field_by_field
            whose_it_is_and_what_of_cannot_be_changed
            what_is_terminated_stays_terminated
            a_watch_begins_with_the_present_and_goes_on_with_each_change
            a_watch_has_no_gap_under_eight_writers
            changes_are_resumed_where_they_were_left
            changes_that_are_no_longer_kept_are_said_to_be
            a_leader_that_was_replaced_writes_no_status
            the_epoch_in_a_status_only_grows
            repeated_events_are_counted
        );
    };
    ($start:path: $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let subject = $start().await;
                $crate::contract::within($crate::contract::$promise(&subject)).await;
            }
        )*
    };
}
pub(crate) use object_store_contract;

/// No promise takes longer to see kept.
pub async fn within<T>(promise: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), promise).await.expect("kept within a minute")
}

/// Asks until it is so, at most half a minute.
pub async fn eventually(so: impl AsyncFn() -> bool) {
    let asking = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("it became so within half a minute");
}

/// A session that nothing is wrong with.
pub fn session(name: &str) -> Session {
    let spec = SessionSpec { user: "alice".into(), template: "terminal".into(), ..SessionSpec::default() };
    Session::new(name, spec)
}

fn labelled(name: &str, labels: &[(&str, &str)]) -> Session {
    let mut session = session(name);
    session.metadata.labels = Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
    session
}

fn name(session: &Session) -> &str {
    session.metadata.name.as_deref().unwrap()
}

fn version(session: &Session) -> &str {
    session.metadata.resource_version.as_deref().unwrap()
}

fn number(session: &Session) -> u64 {
    version(session).parse().unwrap()
}

fn anything() -> Precondition {
    Precondition::default()
}

/// The fields that a refusal names.
fn fields<T: std::fmt::Debug>(result: Result<T, ObjectError>) -> Vec<(String, String)> {
    match result.unwrap_err() {
        ObjectError::Invalid(fields) => fields.into_iter().map(|field| (field.field, field.message)).collect(),
        other => panic!("not a refusal of fields: {other:?}"),
    }
}

/// What a patch to a fresh session is refused for.
async fn refused(subject: &impl Subject, patch: Value) -> Vec<(String, String)> {
    let store = subject.store();
    if store.get("a").await.unwrap().is_none() {
        store.create(&session("a")).await.unwrap();
    }
    fields(store.patch("a", &patch, &anything()).await)
}

/// Reads a watch up to the end of its first state.
pub async fn present(watch: &mut BoxStream<'static, Event<Session>>) -> Vec<Session> {
    assert!(matches!(watch.next().await, Some(Event::Init)));
    let mut found = Vec::new();
    loop {
        match watch.next().await {
            Some(Event::InitApply(session)) => found.push(session),
            Some(Event::InitDone) => return found,
            other => panic!("not part of the first state: {other:?}"),
        }
    }
}

pub async fn a_new_object_gets_what_only_the_store_may_say(subject: &impl Subject) {
    let mut wanted = session("a");
    wanted.status = Some(SessionStatus { phase: Phase::Running, ..SessionStatus::default() });
    let made = subject.store().create(&wanted).await.unwrap();
    assert_eq!((made.metadata.generation, &made.status), (Some(1), &None));
    assert!(made.metadata.uid.as_ref().is_some_and(|uid| uid.len() == 36));
    assert!(made.metadata.creation_timestamp.is_some() && made.metadata.deletion_timestamp.is_none());
    assert_eq!(subject.store().get("a").await.unwrap(), Some(made));
}

pub async fn a_name_is_given_once_however_many_ask(subject: &impl Subject) {
    let store = subject.store();
    let wanted = session("a");
    let answers = join_all((0..8).map(|_| store.create(&wanted))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for error in lost {
        assert!(matches!(error, Err(ObjectError::AlreadyExists { kind, name }) if kind == "Session" && name == "a"));
    }
}

pub async fn what_does_not_exist_is_said_not_to(subject: &impl Subject) {
    let store = subject.store();
    assert!(store.get("a").await.unwrap().is_none());
    for result in [
        store.replace(&session("a")).await.map(drop),
        store.patch("a", &json!({}), &anything()).await.map(drop),
        store.replace_status(&session("a"), None).await.map(drop),
        store.delete("a", &anything()).await.map(drop),
    ] {
        assert!(matches!(result, Err(ObjectError::NotFound { kind, name }) if kind == "Session" && name == "a"));
    }
}

pub async fn a_name_used_again_is_another_object(subject: &impl Subject) {
    let store = subject.store();
    let first = store.create(&session("a")).await.unwrap();
    store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap();
    assert!(store.delete("a", &anything()).await.unwrap().is_none());
    let second = store.create(&session("a")).await.unwrap();
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert_eq!(second.metadata.generation, Some(1));
    assert!(number(&second) > number(&first));
    assert!(matches!(store.replace_status(&first, None).await, Err(ObjectError::Conflict { .. })));
}

pub async fn of_writers_that_read_the_same_version_one_wins(subject: &impl Subject) {
    let store = subject.store();
    let read = store.create(&session("a")).await.unwrap();
    let changes: Vec<Session> = (0..8)
        .map(|writer| {
            let mut change = read.clone();
            change.spec.tags = vec![format!("writer-{writer}")];
            change
        })
        .collect();
    let answers = join_all(changes.iter().map(|change| store.replace(change))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(ObjectError::Conflict { .. }))).count(), 7);
    let winner = answers.into_iter().find_map(Result::ok).unwrap();
    assert_eq!(store.get("a").await.unwrap(), Some(winner));
}

pub async fn a_replace_without_a_version_overwrites(subject: &impl Subject) {
    let store = subject.store();
    store.create(&session("a")).await.unwrap();
    store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap();
    let replaced = store.replace(&session("a")).await.unwrap();
    assert!(replaced.spec.tags.is_empty());
}

pub async fn the_generation_grows_with_the_spec_alone(subject: &impl Subject) {
    let store = subject.store();
    let mut made = store.create(&session("a")).await.unwrap();
    let mut versions = vec![number(&made)];
    let labels = json!({ "metadata": { "labels": { "a": "b" }, "annotations": { "example.org/x": "y" } } });
    let after_labels = store.patch("a", &labels, &anything()).await.unwrap();
    made.metadata.resource_version = None;
    made.status = Some(SessionStatus { phase: Phase::Running, ..SessionStatus::default() });
    let after_status = store.replace_status(&made, None).await.unwrap();
    let after_spec = store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap();
    let generations = [&after_labels, &after_status, &after_spec].map(|session| session.metadata.generation);
    assert_eq!(generations, [Some(1), Some(1), Some(2)]);
    versions.extend([&after_labels, &after_status, &after_spec].map(number));
    assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
}

pub async fn a_write_that_changes_nothing_is_none(subject: &impl Subject) {
    let store = subject.store();
    let mut wanted = session("a");
    wanted.spec.tags = vec!["x".into()];
    let mut made = store.create(&wanted).await.unwrap();
    made.status = Some(SessionStatus { phase: Phase::Starting, ..SessionStatus::default() });
    let made = store.replace_status(&made, None).await.unwrap();
    let mut watch = store.watch();
    present(&mut watch).await;

    assert_eq!(store.replace(&made).await.unwrap(), made);
    assert_eq!(store.replace_status(&made, None).await.unwrap(), made);
    assert_eq!(store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap(), made);
    // The first thing that is heard is the next real change.
    store.create(&session("b")).await.unwrap();
    assert!(matches!(watch.next().await, Some(Event::Apply(heard)) if name(&heard) == "b"));
}

pub async fn the_status_is_written_apart(subject: &impl Subject) {
    let store = subject.store();
    let mut object = store.create(&session("a")).await.unwrap();
    object.status = Some(SessionStatus { phase: Phase::Running, ..SessionStatus::default() });
    object.spec.tags = vec!["not-by-this-way".into()];
    object.metadata.labels = Some(BTreeMap::from([("neither".into(), "this".into())]));
    let written = store.replace_status(&object, None).await.unwrap();
    assert_eq!(written.status.as_ref().unwrap().phase, Phase::Running);
    assert_eq!((&written.spec.tags, &written.metadata.labels), (&vec![], &None));

    let mut other = written.clone();
    other.status = None;
    other.spec.tags = vec!["x".into()];
    let replaced = store.replace(&other).await.unwrap();
    let patched = store.patch("a", &json!({ "status": { "phase": "Failed" } }), &anything()).await.unwrap();
    for after in [replaced, patched] {
        assert_eq!((after.status.unwrap().phase, after.spec.tags), (Phase::Running, vec!["x".to_owned()]));
    }
}

pub async fn a_status_of_an_older_version_is_refused(subject: &impl Subject) {
    let store = subject.store();
    let mut old = store.create(&session("a")).await.unwrap();
    let new = store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap();
    old.status = Some(SessionStatus { phase: Phase::Running, ..SessionStatus::default() });
    assert!(matches!(store.replace_status(&old, None).await, Err(ObjectError::Conflict { .. })));
    let fresh = Session { status: old.status.clone(), ..new };
    assert!(store.replace_status(&fresh, None).await.is_ok());
}

pub async fn an_object_with_finalizers_waits_for_them(subject: &impl Subject) {
    let store = subject.store();
    let mut wanted = session("a");
    wanted.metadata.finalizers = Some(vec!["example.org/one".into(), "example.org/two".into()]);
    let made = store.create(&wanted).await.unwrap();
    let mut watch = store.watch();
    present(&mut watch).await;

    let waiting = store.delete("a", &anything()).await.unwrap().expect("it waits");
    assert!(waiting.metadata.deletion_timestamp.is_some());
    assert!(waiting.metadata.generation > made.metadata.generation);
    assert_eq!(store.delete("a", &anything()).await.unwrap(), Some(waiting.clone()), "asked again, nothing changes");
    let one_less = json!({ "metadata": { "finalizers": ["example.org/two"] } });
    let still = store.patch("a", &one_less, &anything()).await.unwrap();
    assert!(store.get("a").await.unwrap().is_some());
    let mut last = still.clone();
    last.metadata.finalizers = None;
    store.replace(&last).await.unwrap();
    assert!(store.get("a").await.unwrap().is_none());

    assert!(matches!(watch.next().await, Some(Event::Apply(heard)) if heard == waiting));
    assert!(matches!(watch.next().await, Some(Event::Apply(heard)) if heard == still));
    assert!(matches!(watch.next().await, Some(Event::Delete(heard)) if number(&heard) > number(&still)));
}

pub async fn no_finalizer_joins_an_object_that_is_being_deleted(subject: &impl Subject) {
    let store = subject.store();
    let mut wanted = session("a");
    wanted.metadata.finalizers = Some(vec!["example.org/one".into()]);
    store.create(&wanted).await.unwrap();
    let both = json!({ "metadata": { "finalizers": ["example.org/one", "example.org/two"] } });
    store.delete("a", &anything()).await.unwrap();
    assert_eq!(fields(store.patch("a", &both, &anything()).await)[0].0, "metadata.finalizers");
    store.create(&session("b")).await.unwrap();
    assert!(store.patch("b", &both, &anything()).await.is_ok(), "before its deletion one can");
}

pub async fn a_condition_that_does_not_hold_prevents_the_write(subject: &impl Subject) {
    let store = subject.store();
    let first = store.create(&session("a")).await.unwrap();
    let change = json!({ "spec": { "tags": ["x"] } });
    let second = store.patch("a", &change, &anything()).await.unwrap();
    let stale = Precondition { resource_version: first.metadata.resource_version, ..anything() };
    let stranger = Precondition { uid: Some("00000000-0000-4000-8000-000000000000".into()), ..anything() };
    for condition in [stale, stranger] {
        let other = json!({ "spec": { "tags": ["y"] } });
        assert!(matches!(store.patch("a", &other, &condition).await, Err(ObjectError::Conflict { .. })));
        assert!(matches!(store.delete("a", &condition).await, Err(ObjectError::Conflict { .. })));
    }
    let holds = Precondition { uid: second.metadata.uid, resource_version: second.metadata.resource_version };
    assert!(store.delete("a", &holds).await.unwrap().is_none());
}

pub async fn selectors_find_by_labels(subject: &impl Subject) {
    let store = subject.store();
    for (name, labels) in [
        ("a", &[("env", "prod"), ("team", "red")][..]),
        ("b", &[("env", "test"), ("team", "red")]),
        ("c", &[("env", "prod")]),
        ("d", &[]),
    ] {
        store.create(&labelled(name, labels)).await.unwrap();
    }
    let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
    for (selector, expected) in [
        (Selector::default(), "a b c d"),
        (Expression::Equal("env".into(), "prod".into()).into(), "a c"),
        (Expression::NotEqual("env".into(), "prod".into()).into(), "b d"),
        (Expression::In("env".into(), set(&["prod", "test"])).into(), "a b c"),
        (Expression::NotIn("env".into(), set(&["test"])).into(), "a c d"),
        (Expression::Exists("team".into()).into(), "a b"),
        (Expression::DoesNotExist("env".into()).into(), "d"),
        (Selector::from_iter([("env", "prod"), ("team", "red")]), "a"),
    ] {
        let list = store.list(&selector).await.unwrap();
        let names: Vec<&str> = list.items.iter().map(name).collect();
        assert_eq!(names.join(" "), expected, "{selector}");
    }
}

pub async fn what_the_store_has_set_cannot_be_changed(subject: &impl Subject) {
    let store = subject.store();
    let made = store.create(&session("a")).await.unwrap();
    let field = |field: &str, value: &str| json!({ "metadata": { field: value } });
    for (name, value) in [("creationTimestamp", "2001-01-01T00:00:00Z"), ("deletionTimestamp", "2001-01-01T00:00:00Z")]
    {
        let refused = fields(store.patch("a", &field(name, value), &anything()).await);
        assert_eq!(refused[0].0, format!("metadata.{name}"));
    }
    let uid = field("uid", "00000000-0000-4000-8000-000000000000");
    assert!(matches!(store.patch("a", &uid, &anything()).await, Err(ObjectError::Conflict { .. })));
    let same =
        json!({ "metadata": { "uid": made.metadata.uid, "creationTimestamp": made.metadata.creation_timestamp } });
    assert_eq!(store.patch("a", &same, &anything()).await.unwrap(), made);
}

pub async fn a_merge_patch_follows_its_rfc(subject: &impl Subject) {
    let store = subject.store();
    let mut wanted = labelled("a", &[("keep", "1"), ("drop", "1")]);
    wanted.spec.tags = vec!["x".into(), "y".into()];
    wanted.spec.display_name = Some("mine".into());
    wanted.spec.parameters = BTreeMap::from([("kept".into(), json!({ "a": 1, "b": 2 }))]);
    store.create(&wanted).await.unwrap();
    let patch = json!({
        "metadata": { "labels": { "drop": null, "new": "1" } },
        "spec": { "tags": ["z"], "displayName": null, "parameters": { "kept": { "b": null, "c": [null, 3] } } },
    });
    let patched = store.patch("a", &patch, &anything()).await.unwrap();
    let labels = patched.metadata.labels.unwrap();
    assert_eq!(labels.keys().map(String::as_str).collect::<Vec<_>>(), ["keep", "new"]);
    assert_eq!((patched.spec.tags, patched.spec.display_name), (vec!["z".to_owned()], None));
    assert_eq!(patched.spec.parameters["kept"], json!({ "a": 1, "c": [null, 3] }));
}

pub async fn what_a_patch_takes_away_falls_back_to_its_default(subject: &impl Subject) {
    let store = subject.store();
    let mut wanted = session("a");
    wanted.spec.state = DesiredState::Hibernated;
    wanted.spec.persistent_home = false;
    store.create(&wanted).await.unwrap();
    let none = json!({ "spec": { "state": null, "persistentHome": null } });
    let patched = store.patch("a", &none, &anything()).await.unwrap();
    assert_eq!((patched.spec.state, patched.spec.persistent_home), (DesiredState::Running, true));
}

pub async fn a_field_that_does_not_exist_is_named_with_its_path(subject: &impl Subject) {
    for (patch, field) in [
        (json!({ "spec": { "colour": "red" } }), "spec.colour"),
        (json!({ "spec": { "resources": { "cpus": "1" } } }), "spec.resources.cpus"),
        (json!({ "metadata": { "color": "red" } }), "metadata.color"),
        (json!({ "specs": {} }), "specs"),
    ] {
        let refused = refused(subject, patch).await;
        assert_eq!(refused.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), [field]);
    }
    let free = json!({ "spec": { "parameters": { "anything": { "goes": true } } } });
    assert!(subject.store().patch("a", &free, &anything()).await.is_ok(), "parameters are the template's business");
}

pub async fn wrong_values_are_named_field_by_field(subject: &impl Subject) {
    let wrong = json!({ "spec": {
        "idleTimeout": "soon",
        "displayName": "x".repeat(61),
        "resources": { "cpu": "-1" },
        "state": "asleep",
        "tags": ["ok", ""],
    } });
    let refused = refused(subject, wrong).await;
    let names: BTreeSet<&str> = refused.iter().map(|(field, _)| field.as_str()).collect();
    let expected = ["spec.displayName", "spec.idleTimeout", "spec.resources.cpu", "spec.state", "spec.tags[1]"];
    assert_eq!(names, BTreeSet::from(expected));
    assert!(refused.iter().all(|(_, message)| !message.is_empty()));

    let mut bad = session("b");
    bad.spec.template = "Not A Name".into();
    assert_eq!(fields(subject.store().create(&bad).await)[0].0, "spec.template");
    assert!(subject.store().get("b").await.unwrap().is_none());
    assert_eq!(fields(subject.store().create(&session("No_Name")).await)[0].0, "metadata.name");
}

pub async fn whose_it_is_and_what_of_cannot_be_changed(subject: &impl Subject) {
    for (field, other) in [("user", "bob"), ("template", "desktop")] {
        let refused = refused(subject, json!({ "spec": { field: other } })).await;
        assert_eq!(refused[0].0, format!("spec.{field}"));
        assert!(refused[0].1.contains("cannot be changed"), "{refused:?}");
    }
    let store = subject.store();
    let red = store.patch("a", &json!({ "spec": { "project": "red" } }), &anything()).await.unwrap();
    assert_eq!(red.spec.project.as_deref(), Some("red"));
    for other in [json!("blue"), Value::Null] {
        let refused = fields(store.patch("a", &json!({ "spec": { "project": other } }), &anything()).await);
        assert!(refused[0].1.contains("project cannot be changed"), "{refused:?}");
    }
}

pub async fn what_is_terminated_stays_terminated(subject: &impl Subject) {
    let store = subject.store();
    store.create(&session("a")).await.unwrap();
    for state in ["hibernated", "running", "terminated"] {
        store.patch("a", &json!({ "spec": { "state": state } }), &anything()).await.unwrap();
    }
    let refused = refused(subject, json!({ "spec": { "state": "running" } })).await;
    assert_eq!(refused[0].0, "spec.state");
    assert!(refused[0].1.contains("stays terminated"), "{refused:?}");
    assert!(
        store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.is_ok(),
        "all else can be changed"
    );
}

pub async fn a_watch_begins_with_the_present_and_goes_on_with_each_change(subject: &impl Subject) {
    let store = subject.store();
    let (a, b) = (store.create(&session("a")).await.unwrap(), store.create(&session("b")).await.unwrap());
    let (mut one, mut other) = (store.watch(), store.watch());
    for watch in [&mut one, &mut other] {
        let mut found = present(watch).await;
        found.sort_by(|one, other| name(one).cmp(name(other)));
        assert_eq!(found, [a.clone(), b.clone()]);
    }
    let changed = store.patch("a", &json!({ "spec": { "tags": ["x"] } }), &anything()).await.unwrap();
    store.delete("b", &anything()).await.unwrap();
    for watch in [&mut one, &mut other] {
        assert!(matches!(watch.next().await, Some(Event::Apply(heard)) if heard == changed));
        assert!(matches!(watch.next().await, Some(Event::Delete(heard)) if name(&heard) == "b"));
    }
}

/// Creates, changes and deletes objects of its own and one that all share.
async fn scribble(store: Arc<dyn ObjectStore<Session>>, writer: u32) -> Result<(), ObjectError> {
    for round in 0..30 {
        let name = format!("writer-{writer}-{}", round % 4);
        match store.create(&session(&name)).await {
            Ok(_) => {}
            Err(ObjectError::AlreadyExists { .. }) if round % 3 == 0 => drop(store.delete(&name, &anything()).await?),
            Err(ObjectError::AlreadyExists { .. }) => {
                let patch = json!({ "spec": { "tags": [format!("round-{round}")] } });
                store.patch(&name, &patch, &anything()).await?;
            }
            Err(error) => return Err(error),
        }
        let shared = json!({ "spec": { "displayName": format!("{writer} in {round}") } });
        store.patch("shared", &shared, &anything()).await?;
    }
    Ok(())
}

/// Follows a watch into a map until an object of the name `end` appears; the numbers have to rise.
async fn replicate(mut watch: BoxStream<'static, Event<Session>>, end: &str) -> BTreeMap<String, Session> {
    let mut replica: BTreeMap<String, Session> =
        present(&mut watch).await.into_iter().map(|session| (name(&session).to_owned(), session)).collect();
    let mut last = 0;
    loop {
        match watch.next().await.unwrap() {
            Event::Apply(session) => {
                assert!(number(&session) > last, "{} after {last}", number(&session));
                last = number(&session);
                let ended = name(&session) == end;
                replica.insert(name(&session).to_owned(), session);
                if ended {
                    return replica;
                }
            }
            Event::Delete(session) => {
                assert!(number(&session) > last, "{} after {last}", number(&session));
                last = number(&session);
                assert!(replica.remove(name(&session)).is_some(), "what is deleted was there");
            }
            other => panic!("no reason to begin again: {other:?}"),
        }
    }
}

pub async fn a_watch_has_no_gap_under_eight_writers(subject: &impl Subject) {
    let store = subject.store();
    store.create(&session("shared")).await.unwrap();
    let early = task::spawn("early", replicate(store.watch(), "end"));
    let writers = join_all((0..8).map(|writer| task::spawn("writer", scribble(store.clone(), writer))));
    // This one begins in the middle of it.
    let late = task::spawn("late", replicate(store.watch(), "end"));
    for written in writers.await {
        written.unwrap().unwrap().unwrap();
    }
    store.create(&session("end")).await.unwrap();
    let list = store.list(&Selector::default()).await.unwrap().items;
    let truth: BTreeMap<String, Session> =
        list.into_iter().map(|session| (name(&session).to_owned(), session)).collect();
    assert_eq!(early.await.unwrap(), Some(truth.clone()));
    assert_eq!(late.await.unwrap(), Some(truth));
}

pub async fn changes_are_resumed_where_they_were_left(subject: &impl Subject) {
    let store = subject.store();
    store.create(&session("before")).await.unwrap();
    let start = store.list(&Selector::default()).await.unwrap().resource_version;
    for name in ["a", "b", "c"] {
        store.create(&session(name)).await.unwrap();
    }
    store.delete("b", &anything()).await.unwrap();

    let mut heard = Vec::new();
    let mut position = start;
    // A new stream after every single change.
    while heard.len() < 4 {
        let mut changes = store.changes(&position).await.unwrap();
        let (word, session) = match changes.next().await.unwrap().unwrap() {
            Change::Applied(session) => ("applied", session),
            Change::Deleted(session) => ("deleted", session),
        };
        version(&session).clone_into(&mut position);
        heard.push(format!("{word} {}", name(&session)));
    }
    assert_eq!(heard, ["applied a", "applied b", "applied c", "deleted b"]);
    let mut changes = store.changes(&position).await.unwrap();
    store.create(&session("later")).await.unwrap();
    assert!(matches!(changes.next().await, Some(Ok(Change::Applied(heard))) if name(&heard) == "later"));
}

pub async fn changes_that_are_no_longer_kept_are_said_to_be(subject: &impl Subject) {
    let store = subject.store();
    let old = store.create(&session("a")).await.unwrap();
    store.create(&session("b")).await.unwrap();
    subject.forget().await;
    let present = store.list(&Selector::default()).await.unwrap().resource_version;
    assert!(matches!(store.changes(version(&old)).await.map(drop), Err(ObjectError::Expired)));
    let mut changes = store.changes(&present).await.unwrap();
    store.create(&session("c")).await.unwrap();
    assert!(matches!(changes.next().await, Some(Ok(Change::Applied(heard))) if name(&heard) == "c"));
}

fn in_phase(object: &Session, phase: Phase, epoch: Epoch) -> Session {
    let status = SessionStatus { phase, leader_epoch: epoch.0, ..SessionStatus::default() };
    Session { status: Some(status), ..object.clone() }
}

pub async fn a_leader_that_was_replaced_writes_no_status(subject: &impl Subject) {
    let store = subject.store();
    let object = store.create(&session("a")).await.unwrap();
    let old = subject.new_leader().await;
    let object = store.replace_status(&in_phase(&object, Phase::Starting, old), Some(old)).await.unwrap();
    let new = subject.new_leader().await;
    let object = store.replace_status(&in_phase(&object, Phase::Running, new), Some(new)).await.unwrap();
    let stale = store.replace_status(&in_phase(&object, Phase::Failed, old), Some(old)).await;
    assert!(matches!(stale, Err(ObjectError::Fenced(epoch)) if epoch == old.0), "{stale:?}");
    assert_eq!(store.get("a").await.unwrap(), Some(object));
}

pub async fn the_epoch_in_a_status_only_grows(subject: &impl Subject) {
    let store = subject.store();
    let object = store.create(&session("a")).await.unwrap();
    let object = store.replace_status(&in_phase(&object, Phase::Running, Epoch(7)), None).await.unwrap();
    let refused = fields(store.replace_status(&in_phase(&object, Phase::Failed, Epoch(6)), None).await);
    assert_eq!(refused[0].0, "status.leaderEpoch");
    assert!(store.replace_status(&in_phase(&object, Phase::Failed, Epoch(7)), None).await.is_ok());
}

pub async fn repeated_events_are_counted(subject: &impl Subject) {
    let store = subject.store();
    let (a, b) = (store.create(&session("a")).await.unwrap(), store.create(&session("b")).await.unwrap());
    let about = |object: &Session, reason: &str, type_: EventType| Occurrence {
        kind: "Session".into(),
        name: name(object).into(),
        uid: object.metadata.uid.clone().unwrap(),
        type_,
        reason: reason.into(),
        message: format!("this is {reason}"),
    };
    for _ in 0..3 {
        store.record(&about(&a, "Started", EventType::Normal)).await.unwrap();
    }
    store.record(&about(&b, "Started", EventType::Normal)).await.unwrap();
    store.record(&about(&a, "Failed", EventType::Warning)).await.unwrap();
    let found = store.occurrences("a").await.unwrap();
    let told: BTreeSet<_> = found.iter().map(|event| (event.reason.as_str(), event.count)).collect();
    assert_eq!(told, BTreeSet::from([("Started", 3), ("Failed", 1)]));
    for event in &found {
        assert_eq!(event.message, format!("this is {}", event.reason));
        assert_eq!(event.type_ == EventType::Warning, event.reason == "Failed");
        assert!(event.first_timestamp <= event.last_timestamp);
    }
    assert!(store.occurrences("c").await.unwrap().is_empty());
}
