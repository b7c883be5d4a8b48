//! What is on a node at one moment, and what became of what was.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kube::ResourceExt;

use crate::{
    App, Error,
    config::EngineKind,
    crd::{DesiredState, Phase, Session},
    domain::{
        activity,
        nodes::{
            drain::{Became, Entry, Here, Step},
            pods::PodHere,
            wish::Strategy,
        },
    },
    services::{nodes, sessions},
    store::{self, activity::ActivityRow},
};

/// What is on a node.
#[derive(Debug)]
pub(super) struct Look {
    /// The sessions that run there, or are about to.
    pub(super) sessions: Vec<Here>,
    /// The pods that are bound to it; none on one machine.
    pub(super) pods: Vec<PodHere>,
}

impl Look {
    /// What is there now.
    pub(super) async fn at(app: &App, node: &str, strategy: Strategy) -> Result<Self, Error> {
        let mut pods = app.nodes.bound(node).await?;
        let mut found = nodes::sessions_on(app, node);
        for pod in &mut pods {
            // A label alone makes no session.
            let session = pod.session.take().and_then(|name| app.sessions.peek(&name));
            pod.session = session.as_ref().map(|session| session.name_any());
            found.extend(session.filter(|_| !pod.ended));
        }
        let mut met = HashSet::new();
        found.retain(|session| met.insert(session.uid()));
        let mut sessions = here(app, &found, &pods).await?;
        if strategy == Strategy::Migrate {
            together(&mut sessions, &found);
        }
        Ok(Self { sessions, pods })
    }

    /// The session of that uid, while it is there.
    pub(super) fn session(&self, uid: &str) -> Option<&Here> {
        self.sessions.iter().find(|here| here.uid == uid)
    }
}

async fn here(app: &App, sessions: &[Arc<Session>], pods: &[PodHere]) -> Result<Vec<Here>, Error> {
    let names: Vec<String> = sessions.iter().map(|session| session.name_any()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = store::activity::read_some(&app.pool.get().await?, &names).await?;
    let rows: HashMap<&str, &ActivityRow> = rows.iter().map(|row| (row.session.as_str(), row)).collect();
    let here = sessions.iter().map(|session| Here {
        uid: session.uid().unwrap_or_default(),
        user: session.spec.user.clone(),
        display_name: sessions::shown_name(session).to_owned(),
        leaving: session.spec.state != DesiredState::Running || session.metadata.deletion_timestamp.is_some(),
        active: is_active(app, session, rows.get(session.name_any().as_str()).copied()),
        pod: pods.iter().find(|pod| !pod.ended && pod.session.as_ref() == Some(&session.name_any())).cloned(),
        name: session.name_any(),
    });
    Ok(here.collect())
}

/// Whether somebody is in it, or something that counts happened a moment ago.
fn is_active(app: &App, session: &Session, row: Option<&ActivityRow>) -> bool {
    row.filter(|row| row.session_uid.is_none() || row.session_uid == session.uid()).is_some_and(|row| {
        row.connections > 0 || row.last_activity.is_some_and(|last| activity::is_recent(last, app.clock.now()))
    })
}

/// Sessions of one home run on one node, so none of them comes up elsewhere while another stays: where somebody is in one
/// of them, all are waited for.
fn together(here: &mut [Here], sessions: &[Arc<Session>]) {
    let keeps_home = |one: &Here| {
        sessions.iter().any(|session| session.uid().as_deref() == Some(&one.uid) && session.spec.persistent_home)
    };
    let active: HashSet<String> =
        here.iter().filter(|one| one.active && keeps_home(one)).map(|one| one.user.clone()).collect();
    for one in here.iter_mut().filter(|one| active.contains(&one.user)) {
        one.active |= keeps_home(one);
    }
}

/// What became of a session that is on `node` no more.
pub(super) fn became(app: &App, node: &str, entry: &Entry) -> Became {
    let session = app.sessions.peek(&entry.name).filter(|session| session.uid().as_deref() == Some(&entry.uid));
    let Some(session) = session.filter(|session| session.metadata.deletion_timestamp.is_none()) else {
        return Step::Ended.into();
    };
    let said = || session.status.as_ref()?.doctor.as_ref().map(|verdict| verdict.message.clone());
    // On one machine there is no other place.
    let comes_up = app.config.engine.kind() == EngineKind::Kubernetes && session.spec.state == DesiredState::Running;
    match session.phase() {
        Phase::Hibernated | Phase::Hibernating => Step::Hibernated.into(),
        Phase::Running if comes_up => match nodes::place(&session).filter(|place| *place != node) {
            Some(place) => Became { node: Some(place.to_owned()), ..Step::Moved.into() },
            None => Step::Moving.into(),
        },
        Phase::Pending | Phase::Starting if comes_up => Became { message: said(), ..Step::Moving.into() },
        Phase::Failed => Became { message: said(), ..Step::Ended.into() },
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Terminating | Phase::Terminated => {
            Step::Ended.into()
        }
    }
}
