//! A store in memory and readers of a hub, for the tests beside this file.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use kube::{core::Selector, runtime::watcher};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Access, Cursor, Drain, Gate, Hub, Scope, Socket, Subject, wire};
use crate::{
    Error,
    clock::MovableClock,
    crd::{Requirement, Session, Template},
    engine::{
        Connection, Engine, EngineError, HomeUsage, LogLine, LogQuery, SessionId, Usage, Workload, WorkloadEvent,
        WorkloadState,
    },
    objects::{Change, Epoch, Object, ObjectError, ObjectList, ObjectStore, Occurrence, Precondition, Recorded},
    telemetry::task::Tasks,
};

/// Longest wait for anything that has to happen.
pub const SOON: Duration = Duration::from_secs(10);

/// Objects in memory, with every change since the last [`Memory::forget`].
#[derive(Clone, Debug)]
pub struct Memory<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    state: Mutex<State<K>>,
    told: watch::Sender<u64>,
}

#[derive(Debug)]
struct State<K> {
    objects: BTreeMap<String, K>,
    changes: Vec<(u64, Change<K>)>,
    number: u64,
    floor: u64,
}

impl<K: Object> Memory<K> {
    pub fn new() -> Self {
        let state = State { objects: BTreeMap::new(), changes: Vec::new(), number: 0, floor: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), told: watch::Sender::new(0) }))
    }

    /// Makes several changes of which the relay hears at once: `None` deletes. `forget`: it has to read the list again.
    pub fn write(&self, changes: impl IntoIterator<Item = (String, Option<Value>)>, forget: bool) {
        let mut state = self.0.state.lock().unwrap();
        for (name, object) in changes {
            state.number += 1;
            let number = state.number;
            let change = match object {
                Some(mut object) => {
                    let uid = state.objects.get(&name).and_then(|old| old.meta().uid.clone());
                    let uid = uid.unwrap_or_else(|| format!("uid-{number}"));
                    object["metadata"] = json!({ "name": name, "uid": uid, "resourceVersion": number.to_string() });
                    let object: K = serde_json::from_value(object).unwrap();
                    state.objects.insert(name, object.clone());
                    Change::Applied(object)
                }
                None => {
                    let mut object = state.objects.remove(&name).unwrap();
                    object.meta_mut().resource_version = Some(number.to_string());
                    Change::Deleted(object)
                }
            };
            state.changes.push((number, change));
        }
        if forget {
            state.floor = state.number;
        }
        self.0.told.send_replace(state.number);
    }

    /// What `GET` would list: objects by name.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        let state = self.0.state.lock().unwrap();
        state.objects.iter().map(|(name, object)| (name.clone(), serde_json::to_value(object).unwrap())).collect()
    }

    /// The number of the latest change.
    pub fn number(&self) -> u64 {
        self.0.state.lock().unwrap().number
    }

    fn next(&self, from: u64) -> Option<Result<(u64, Change<K>), ObjectError>> {
        let state = self.0.state.lock().unwrap();
        if from < state.floor {
            return Some(Err(ObjectError::Expired));
        }
        state.changes.iter().find(|(number, _)| *number > from).cloned().map(Ok)
    }
}

impl Memory<Session> {
    /// Creates or changes a session; `tag` tells its versions apart.
    pub fn put(&self, name: &str, user: &str, tag: &str) {
        self.write([(name.to_owned(), Some(session(user, tag)))], false);
    }

    pub fn remove(&self, name: &str) {
        self.write([(name.to_owned(), None)], false);
    }
}

pub fn session(user: &str, tag: &str) -> Value {
    json!({
        "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Session",
        "spec": { "user": user, "template": "t", "tags": [tag] },
        "status": { "workload": { "kind": "Sandbox", "name": format!("logs-of-{user}") } },
    })
}

#[async_trait]
impl<K: Object> ObjectStore<K> for Memory<K> {
    async fn list(&self, _: &Selector) -> Result<ObjectList<K>, ObjectError> {
        let state = self.0.state.lock().unwrap();
        let items = state.objects.values().cloned().collect();
        Ok(ObjectList { items, resource_version: state.number.to_string() })
    }

    async fn changes(&self, from: &str) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError> {
        let mut from: u64 = from.parse().unwrap();
        let mut told = self.0.told.subscribe();
        let store = self.clone();
        Ok(async_stream::stream! {
            loop {
                told.borrow_and_update();
                match store.next(from) {
                    Some(Ok((number, change))) => {
                        from = number;
                        yield Ok(change);
                    }
                    Some(Err(error)) => {
                        yield Err(error);
                        return;
                    }
                    None => if told.changed().await.is_err() { return },
                }
            }
        }
        .boxed())
    }

    async fn get(&self, _: &str) -> Result<Option<K>, ObjectError> {
        panic!("the hub does not ask for single objects")
    }

    async fn create(&self, _: &K) -> Result<K, ObjectError> {
        panic!("the hub writes nothing")
    }

    async fn replace(&self, _: &K) -> Result<K, ObjectError> {
        panic!("the hub writes nothing")
    }

    async fn patch(&self, _: &str, _: &Value, _: &Precondition) -> Result<K, ObjectError> {
        panic!("the hub writes nothing")
    }

    async fn replace_status(&self, _: &K, _: Option<Epoch>) -> Result<K, ObjectError> {
        panic!("the hub writes nothing")
    }

    async fn delete(&self, _: &str, _: &Precondition) -> Result<Option<K>, ObjectError> {
        panic!("the hub writes nothing")
    }

    fn watch(&self) -> BoxStream<'static, watcher::Event<K>> {
        panic!("the hub reads the list and the changes")
    }

    async fn record(&self, _: &Occurrence) -> Result<(), ObjectError> {
        panic!("the hub writes nothing")
    }

    async fn occurrences(&self, _: &str) -> Result<Vec<Recorded>, ObjectError> {
        panic!("the hub asks for no events")
    }
}

/// What a caller may read; changed by tests.
#[derive(Clone)]
pub struct Person(watch::Sender<Option<Access>>);

impl Person {
    pub fn new(user: &str, scope: Scope) -> Self {
        Self(watch::Sender::new(Some(access(user, scope))))
    }

    /// Changes what they may read; `None` signs them out.
    pub fn becomes(&self, access: Option<Access>) {
        self.0.send_replace(access);
    }
}

#[async_trait]
impl Gate for Person {
    async fn access(&self) -> Result<Option<Access>, Error> {
        Ok(self.0.borrow().clone())
    }

    fn problem(&self, error: &Error) -> Value {
        json!({ "type": "/problems/x", "detail": error.to_string() })
    }
}

pub fn own(user: &str) -> Scope {
    Scope::own(user)
}

/// All that a person of that scope usually may.
pub fn access(user: &str, scope: Scope) -> Access {
    Access {
        user: user.into(),
        sessions: Some(scope.clone()),
        templates: Some(Scope::own(user)),
        jobs: Some(scope.clone()),
        cluster: true,
        notifications: true,
        logs: Some(scope),
    }
}

/// A hub over two stores in memory.
pub struct World {
    pub sessions: Memory<Session>,
    pub templates: Memory<Template>,
    pub clock: Arc<MovableClock>,
    pub hub: Hub,
    _tasks: Tasks,
}

impl World {
    pub fn start() -> Self {
        Self::over(Memory::new())
    }

    pub fn over(sessions: Memory<Session>) -> Self {
        let (templates, clock) = (Memory::new(), MovableClock::shared());
        let mut tasks = Tasks::new(CancellationToken::new());
        let hub = Hub::start(Arc::new(sessions.clone()), Arc::new(templates.clone()), clock.clone(), &mut tasks);
        Self { sessions, templates, clock, hub, _tasks: tasks }
    }

    /// A connection that reads nothing yet.
    pub fn connect(&self, person: &Person, line: wire::Line) -> Reader {
        let access = person.0.borrow().clone().expect("signed in");
        let drain = self.hub.open(access, Box::new(person.clone()), true, line).expect("the hub is open");
        Reader { drain, unread: Vec::new() }
    }

    /// A connection that reads sessions, from `cursor` on.
    pub fn read(&self, person: &Person, cursor: &str) -> Reader {
        let reader = self.connect(person, wire::Line::default());
        self.hub.read(reader.socket(), Subject::Sessions, Cursor::parse(cursor));
        reader
    }
}

/// The client's side of a connection whose frames go through the body.
pub struct Reader {
    drain: Drain,
    unread: Vec<u8>,
}

/// A frame that is no message.
#[derive(Debug, PartialEq, Eq)]
pub enum Control {
    Ping,
    Close(u16, String),
}

impl Reader {
    pub const fn socket(&self) -> &Arc<Socket> {
        self.drain.socket()
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(message)) => return message,
                // A slow run may last until the first is due.
                Some(Err(Control::Ping)) => {}
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// The next frame that is no message, after any messages.
    pub async fn control(&mut self) -> Control {
        loop {
            match self.frame().await {
                Some(Ok(_)) => {}
                Some(Err(control)) => return control,
                None => panic!("the connection ended without a word"),
            }
        }
    }

    /// The next frame; `None`: the connection has ended.
    pub async fn frame(&mut self) -> Option<Result<Value, Control>> {
        loop {
            if let Some(frame) = self.whole() {
                return Some(frame);
            }
            let bytes = timeout(SOON, poll_fn(|cx| self.drain.poll_bytes(cx))).await.expect("a frame in time");
            self.unread.extend(bytes?);
        }
    }

    fn whole(&mut self) -> Option<Result<Value, Control>> {
        let (first, size, length) = match *self.unread.get(..2)? {
            [first, 127] => (first, 10, u64::from_be_bytes(self.unread.get(2..10)?.try_into().unwrap())),
            [first, 126] => (first, 4, u16::from_be_bytes(self.unread.get(2..4)?.try_into().unwrap()).into()),
            [first, length] => (first, 2, length.into()),
            _ => return None,
        };
        let end = size + usize::try_from(length).unwrap();
        let payload = self.unread.get(size..end)?.to_vec();
        self.unread.drain(..end);
        Some(match first {
            0x81 => Ok(serde_json::from_slice(&payload).unwrap()),
            0x89 => Err(Control::Ping),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Err(Control::Close(code, String::from_utf8(payload[2..].to_vec()).unwrap()))
            }
            other => panic!("a frame that starts with {other:#x}"),
        })
    }
}

/// What a program writes.
#[derive(Debug)]
pub struct Line(pub String);

/// An engine of which nothing is asked but a log.
#[derive(Clone, Debug)]
pub struct Output(Arc<Mutex<VecDeque<Line>>>, bool);

impl Output {
    pub fn of(lines: Vec<Line>) -> Self {
        Self(Arc::new(Mutex::new(lines.into())), false)
    }

    pub fn endless() -> Self {
        Self(Arc::new(Mutex::new([Line("first".to_owned())].into())), true)
    }

    pub fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    pub fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Engine for Output {
    async fn logs(
        &self,
        _: &SessionId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        let (lines, endless) = (self.0.clone(), self.1);
        let next = move || {
            lines.lock().unwrap().pop_front().map(|Line(text)| LogLine {
                time: jiff::Timestamp::UNIX_EPOCH,
                stream: "stdout".to_owned(),
                text,
            })
        };
        let written = futures::stream::iter(std::iter::from_fn(next)).map(Ok);
        Ok(if endless { written.chain(futures::stream::pending()).boxed() } else { written.boxed() })
    }

    async fn ensure(&self, _: &Workload) -> Result<(), EngineError> {
        panic!("only logs are asked for")
    }
    async fn stop(&self, _: &SessionId) -> Result<(), EngineError> {
        panic!("only logs are asked for")
    }
    async fn remove(&self, _: &SessionId) -> Result<(), EngineError> {
        panic!("only logs are asked for")
    }
    async fn state(&self, _: &SessionId) -> Result<Option<WorkloadState>, EngineError> {
        panic!("only logs are asked for")
    }
    fn watch(&self) -> BoxStream<'static, WorkloadEvent> {
        panic!("only logs are asked for")
    }
    async fn dial(&self, _: &SessionId, _: u16) -> Result<Box<dyn Connection>, EngineError> {
        panic!("only logs are asked for")
    }
    async fn usage(&self, _: &SessionId) -> Result<Option<Usage>, EngineError> {
        panic!("only logs are asked for")
    }
    async fn home_usage(&self, _: &str) -> Result<Option<HomeUsage>, EngineError> {
        panic!("only logs are asked for")
    }
    async fn remove_home(&self, _: &str) -> Result<(), EngineError> {
        panic!("only logs are asked for")
    }
    async fn missing(&self, _: &[Requirement]) -> Result<Vec<Requirement>, EngineError> {
        panic!("only logs are asked for")
    }
}
