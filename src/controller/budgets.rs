//! The hours of a month: signs of life of what runs, and what is to end because nothing is left.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::sync::mpsc;

use super::{Context, lock};
use crate::{
    Error, clock,
    crd::{Phase, Session},
    domain::quota::{Bound, Dimension, Month},
    store::{quotas, reservations, usage},
};

/// How often it is looked at: budgets are overdrawn by what is used in this time at most, and the grace.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What the budgets of a month mean for the sessions that they bind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// Until when they go on although nothing is left; `None`: nothing ends them.
    pub(super) ends: Option<Timestamp>,
    /// Of what little is left, in words; `None`: of nothing.
    pub(super) little: Option<String>,
}

/// Looks at what runs, for as long as this server leads, and calls the sessions for which something else holds now.
pub(super) async fn follow(context: Arc<Context>, called: mpsc::UnboundedSender<ObjectRef<Session>>) {
    loop {
        clock::sleep(&*context.app.clock, LOOK_EVERY).await;
        match look(&context).await {
            Ok(changed) => {
                for session in changed {
                    let _ = called.send(ObjectRef::from_obj(&*session));
                }
            }
            Err(error) => tracing::warn!(error = %error, "budgets could not be looked at; trying again"),
        }
    }
}

/// Looks once; the sessions of those for whom something else holds now: much of a budget is used, or all, or not any more.
async fn look(context: &Context) -> Result<Vec<Arc<Session>>, Error> {
    let (app, now) = (&context.app, context.app.clock.now());
    let runs = |session: &Arc<Session>| {
        let phase = session.phase();
        matches!(phase, Phase::Pending | Phase::Starting | Phase::Running | Phase::Hibernating | Phase::Terminating)
    };
    let running: Vec<Arc<Session>> = context.sessions.state().into_iter().filter(runs).collect();
    let alive: Vec<&str> = running.iter().filter_map(|session| session.metadata.uid.as_deref()).collect();
    let client = app.pool.get().await?;
    usage::look(&client, &alive, now).await?;
    let month = app.config.sessions.month(now);
    let limited = quotas::any_budget(&client).await?;
    let holders = running.iter().map(|session| (session.spec.user.as_str(), session.spec.project.as_deref()));
    let (mut spent, mut budgets) = (vec![], HashMap::<String, Budget>::new());
    for (owner, project) in holders.filter(|_| limited).collect::<BTreeSet<_>>() {
        let (bounds, holder) = (reservations::bounds(&client, owner, project, &month).await?, holder(owner, project));
        let little: Vec<String> = bounds.iter().filter_map(Bound::little_left).collect();
        if !little.is_empty() {
            budgets.entry(holder.clone()).or_default().little = Some(little.join(" "));
        }
        if bounds.iter().any(has_nothing_left) {
            spent.push(holder);
        }
    }
    let grace = SignedDuration::try_from(app.settings.now().budget_grace.0).unwrap_or(SignedDuration::MAX);
    let since = usage::note_spent(&client, &spent, now).await?;
    let end = |since: Timestamp| since.checked_add(grace).unwrap_or(Timestamp::MAX);
    for (holder, since) in since {
        budgets.entry(holder).or_default().ends = Some(end(since));
    }
    let before = std::mem::replace(&mut *lock(&context.budgets), budgets.clone());
    let changed = |session: &Arc<Session>| {
        let holder = holder_of(session);
        before.get(&holder) != budgets.get(&holder)
    };
    for session in running.iter().filter(|session| changed(session)) {
        tracing::info!(
            session.id = session.name_any(),
            session.user = session.spec.user,
            "what is left of a budget changed"
        );
    }
    Ok(running.into_iter().filter(changed).collect())
}

/// What the budgets of its holder mean for a session.
///
/// What was noted is as old as [`LOOK_EVERY`] at times, and somebody may have given more since, and woken the session: so
/// it is asked again before anything ends.
pub(super) async fn of(context: &Context, session: &Session) -> Result<Budget, Error> {
    let noted = lock(&context.budgets).get(&holder_of(session)).cloned().unwrap_or_default();
    if noted.ends.is_none() {
        return Ok(noted);
    }
    let month = context.app.config.sessions.month(context.app.clock.now());
    let client = context.app.pool.get().await?;
    let (owner, project) = (session.spec.user.as_str(), session.spec.project.as_deref());
    let spent = is_spent(&client, owner, project, &month).await?;
    Ok(Budget { ends: noted.ends.filter(|_| spent), ..noted })
}

/// Whom the same budgets bind: the sessions of one person for one project.
fn holder(owner: &str, project: Option<&str>) -> String {
    format!("{owner}/{}", project.unwrap_or_default())
}

/// As [`holder`], of a session.
fn holder_of(session: &Session) -> String {
    holder(&session.spec.user, session.spec.project.as_deref())
}

/// Whether any budget that binds this person and project has nothing left.
async fn is_spent(
    client: &impl GenericClient,
    owner: &str,
    project: Option<&str>,
    month: &Month,
) -> Result<bool, Error> {
    Ok(reservations::bounds(client, owner, project, month).await?.iter().any(has_nothing_left))
}

fn has_nothing_left(bound: &Bound) -> bool {
    Dimension::ALL.iter().filter(|dimension| dimension.is_budget()).any(|dimension| {
        let used = bound.used.get(*dimension);
        used > 0 && bound.limits.get(*dimension).is_some_and(|limit| used >= limit)
    })
}
