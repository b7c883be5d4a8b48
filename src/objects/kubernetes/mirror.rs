//! Objects kept up to date for as long as somebody asks for them: the first who asks waits for the list, those after are
//! answered from memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use kube::{
    Api, Client,
    api::{DynamicObject, TypeMeta},
    runtime::{
        WatchStreamExt,
        reflector::{Store, store::Writer},
        watcher,
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::resources::{ResourceError, refused, resource_of};
use crate::{domain::cluster::Listed, telemetry::task};

/// Longest wait for the first list.
const FIRST_LIST_WITHIN: Duration = Duration::from_secs(5);
/// What nobody has asked for so long is followed no more.
const IDLE: Duration = Duration::from_mins(5);

/// Where objects are.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Place {
    /// In no namespace.
    Everywhere,
    /// In that one.
    In(String),
}

/// How far the following of some objects is.
#[derive(Clone, Debug)]
enum State {
    Beginning,
    Known,
    Troubled(Trouble),
}

/// Why objects cannot be followed, in the API server's words.
#[derive(Clone, Debug)]
enum Trouble {
    /// It does not let the server.
    Refused(String),
    /// It does not answer.
    Away(String),
}

impl Trouble {
    fn of(error: &watcher::Error) -> Self {
        let status = match error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) => Some(status),
            _ => None,
        };
        match status {
            Some(status) if status.code == 403 => Self::Refused(status.message.clone()),
            _ => Self::Away(error.to_string()),
        }
    }

    fn told(self) -> ResourceError {
        match self {
            Self::Refused(message) => ResourceError::NotAllowed(refused(&message)),
            Self::Away(message) => ResourceError::Unavailable(format!("the API server does not answer: {message}")),
        }
    }
}

/// Objects of one kind in one place.
#[derive(Clone)]
struct Mirror {
    store: Store<DynamicObject>,
    /// Closed once they are followed no more.
    state: watch::Receiver<State>,
    asked: Arc<Mutex<Instant>>,
}

/// All that somebody has asked for lately.
pub(super) struct Mirrors {
    client: Client,
    known: Mutex<HashMap<(Listed, Place), Mirror>>,
}

impl Mirrors {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The objects of that kind in that place, as they are now.
    pub(super) async fn all(&self, kind: Listed, place: Place) -> Result<Vec<Arc<DynamicObject>>, ResourceError> {
        let Mirror { store, mut state, .. } = self.mirror(kind, place);
        let begun = timeout(FIRST_LIST_WITHIN, state.wait_for(|state| !matches!(state, State::Beginning))).await;
        match begun.map(|begun| begun.map(|state| state.clone())) {
            Ok(Ok(State::Known)) => Ok(store.state()),
            Ok(Ok(State::Troubled(trouble))) => Err(trouble.told()),
            Ok(Ok(State::Beginning) | Err(_)) | Err(_) => {
                Err(ResourceError::Unavailable("the objects are not known yet: ask again in a moment".into()))
            }
        }
    }

    fn mirror(&self, kind: Listed, place: Place) -> Mirror {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, place);
        if let Some(mirror) = known.get(&key).filter(|mirror| mirror.state.has_changed().is_ok()) {
            *mirror.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return mirror.clone();
        }
        let mirror = self.begin(&key);
        known.insert(key, mirror.clone());
        mirror
    }

    fn begin(&self, (kind, place): &(Listed, Place)) -> Mirror {
        let (client, resource) = (self.client.clone(), resource_of(*kind));
        let api = match place {
            Place::Everywhere => Api::all_with(client, &resource),
            Place::In(namespace) => Api::namespaced_with(client, namespace, &resource),
        };
        // In a list the API server says once for all what they are.
        let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
        let slim = move |object: &mut DynamicObject| {
            object.metadata.managed_fields = None;
            object.types = Some(types.clone());
        };
        let writer = Writer::new(resource);
        let (state, receiver) = watch::channel(State::Beginning);
        let mirror = Mirror { store: writer.as_reader(), state: receiver, asked: Arc::new(Mutex::new(Instant::now())) };
        let events = watcher(api, watcher::Config::default()).default_backoff().modify(slim).reflect(writer);
        task::spawn("cluster-objects", follow(events.boxed(), state, Arc::clone(&mirror.asked)));
        mirror
    }
}

/// Keeps `state` true until nobody has asked for a while.
async fn follow(
    mut events: impl Stream<Item = Result<watcher::Event<DynamicObject>, watcher::Error>> + Unpin,
    state: watch::Sender<State>,
    asked: Arc<Mutex<Instant>>,
) {
    loop {
        let until = *asked.lock().unwrap_or_else(PoisonError::into_inner) + IDLE;
        let event = tokio::select! {
            event = events.next() => event,
            () = sleep_until(until) => {
                if *asked.lock().unwrap_or_else(PoisonError::into_inner) + IDLE <= Instant::now() {
                    return;
                }
                continue;
            }
        };
        match event {
            Some(Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_))) => {
                state.send_replace(State::Known);
            }
            Some(Ok(watcher::Event::Init | watcher::Event::InitApply(_))) => {}
            Some(Err(error)) => {
                let trouble = Trouble::of(&error);
                // What is known stays so while the API server is away for a moment, and is told to nobody who lost the right.
                let lasting = matches!(trouble, Trouble::Refused(_)) || !matches!(*state.borrow(), State::Known);
                if lasting {
                    state.send_replace(State::Troubled(trouble));
                }
            }
            None => return,
        }
    }
}
