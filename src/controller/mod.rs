//! The controllers: they bring the world in line with the objects.
//!
//! kube's own runtime drives them over the ports' streams: no home-made cache, no home-made queue.

mod budgets;
mod run;
mod session;
mod template;

pub use run::run;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    App, Error,
    crd::{Session, Template},
    domain::quota::Amounts,
    engine::{SessionId, WorkloadState},
    objects::{Epoch, ObjectError},
};
use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector};

/// Why a reconciliation failed; it is repeated with back-off.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Other(#[from] Error),
}

/// What every reconciliation is handed.
#[derive(Debug)]
struct Context {
    app: App,
    sessions: reflector::Store<Session>,
    templates: reflector::Store<Template>,
    /// The leadership under which status is written.
    epoch: Epoch,
    /// The state of each workload, as the engine told it last.
    workloads: Mutex<HashMap<SessionId, WorkloadState>>,
    /// What this controller wrote last: the watch tells it a moment later.
    written: Mutex<HashMap<String, Session>>,
    /// What each session, by its uid, is known to hold of the limits.
    admitted: Mutex<HashMap<String, Amounts>>,
    /// Until when sessions go on for whose holders, as [`budgets`] names them, a budget is spent.
    budgets: Mutex<HashMap<String, budgets::Budget>>,
    /// For which stop a person was warned.
    warned: Mutex<HashMap<String, Timestamp>>,
}

impl Context {
    /// `session`, or what this controller made of it if that is newer.
    fn newest(&self, session: Arc<Session>) -> Session {
        let mut written = lock(&self.written);
        let name = session.name_any();
        match written.get(&name) {
            Some(own) if own.uid() == session.uid() && version(own) > version(&*session) => own.clone(),
            Some(_) => {
                written.remove(&name);
                (*session).clone()
            }
            None => (*session).clone(),
        }
    }

    fn wrote(&self, session: Session) {
        lock(&self.written).insert(session.name_any(), session);
    }
}

/// A `resourceVersion` as a number; both stores count.
fn version<K: ResourceExt>(object: &K) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// The guard of a lock that nothing panics under.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
