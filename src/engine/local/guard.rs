//! Keeps homes within their size while something runs in them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    Inner,
    actor::Ask,
    homes::{self, Fullness},
    wire::{Spec, Verdict},
};
use crate::{
    clock,
    crd::Reason,
    engine::{HomeUsage, SessionId},
};

/// How often homes are measured.
const INTERVAL: Duration = Duration::from_mins(1);

/// Which sessions run in which homes.
#[derive(Debug, Default)]
pub(super) struct Guard {
    homes: Mutex<BTreeMap<PathBuf, Guarded>>,
    /// A home came into use whose size is not known.
    entered: Notify,
}

#[derive(Clone, Debug, Default)]
struct Guarded {
    sessions: Vec<SessionId>,
    /// Bytes when the first of its sessions started, or right after. `None`: not measured yet.
    at_start: Option<u64>,
    warned: bool,
}

impl Guard {
    /// `fresh`: the home was made for this start, and so is empty.
    pub(super) fn enter(&self, spec: &Spec, fresh: bool) {
        let mut homes = self.lock();
        let guarded = homes.entry(spec.home.clone()).or_default();
        guarded.sessions.push(spec.workload.session.clone());
        if fresh {
            guarded.at_start = Some(0);
        }
        self.entered.notify_one();
    }

    pub(super) fn leave(&self, spec: &Spec) {
        let mut homes = self.lock();
        if let Some(guarded) = homes.get_mut(&spec.home) {
            guarded.sessions.retain(|session| *session != spec.workload.session);
            if guarded.sessions.is_empty() {
                homes.remove(&spec.home);
            }
        }
    }

    fn homes(&self) -> Vec<PathBuf> {
        self.lock().keys().cloned().collect()
    }

    /// Those that were not measured since they came into use.
    fn unmeasured(&self) -> Vec<PathBuf> {
        let homes = self.lock();
        homes.iter().filter(|(_, guarded)| guarded.at_start.is_none()).map(|(home, _)| home.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Guarded>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a measurement; what follows from it, and for which sessions.
    fn measured(&self, home: &PathBuf, usage: HomeUsage) -> (Fullness, Vec<SessionId>) {
        let mut homes = self.lock();
        let Some(guarded) = homes.get_mut(home) else { return (Fullness::Fine, Vec::new()) };
        let at_start = *guarded.at_start.get_or_insert(usage.used_bytes);
        let fullness = Fullness::of(usage, at_start);
        let repeated = fullness == Fullness::Warn && guarded.warned;
        guarded.warned = fullness != Fullness::Fine;
        if repeated { (Fullness::Fine, Vec::new()) } else { (fullness, guarded.sessions.clone()) }
    }
}

/// Measures every home in use, once a minute and when it comes into use, one after the other and off the async threads.
pub(super) async fn watch(inner: Arc<Inner>, stop: tokio_util::sync::CancellationToken) {
    loop {
        for home in inner.guard.homes() {
            look(&inner, home).await;
        }
        let mut minute = std::pin::pin!(clock::sleep(inner.clock.as_ref(), INTERVAL));
        loop {
            tokio::select! {
                () = &mut minute => break,
                () = inner.guard.entered.notified() => {
                    for home in inner.guard.unmeasured() {
                        look(&inner, home).await;
                    }
                }
                () = stop.cancelled() => return,
            }
        }
    }
}

async fn look(inner: &Arc<Inner>, home: PathBuf) {
    let path = home.clone();
    let Ok(Ok(used_bytes)) = tokio::task::spawn_blocking(move || homes::size(&path)).await else {
        tracing::debug!(home = %home.display(), "a home could not be measured this time");
        return;
    };
    if let Some(name) = home.strip_prefix(inner.layout.homes()).ok().and_then(|name| name.to_str()) {
        inner.measured.set(name, used_bytes);
    }
    let usage = HomeUsage { used_bytes, limit_bytes: inner.options.home_limit_bytes };
    let (fullness, sessions) = inner.guard.measured(&home, usage);
    let percent = used_bytes.saturating_mul(100).checked_div(usage.limit_bytes).unwrap_or(0);
    let mib = usage.limit_bytes / (1024 * 1024);
    for session in sessions {
        match fullness {
            Fullness::Fine => {}
            Fullness::Warn => {
                let text = format!(
                    "The home is {percent} % full of its {mib} MiB: remove what is not needed. At 110 % the session is stopped."
                );
                inner.ask(&session, Ask::Note(text));
            }
            Fullness::Stop => {
                let message = format!("The home holds {percent} % of the {mib} MiB it may have.");
                inner.ask(&session, Ask::Condemn(Verdict::new(Reason::DiskFull, message)));
            }
        }
    }
}
