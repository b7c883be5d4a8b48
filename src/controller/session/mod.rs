//! One session's reconciliation: `dereference → validate → admit → build → apply → status`.
//!
//! Validate and build are pure; the others do I/O. Level-triggered: it may run twice, at any time, for any reason, and
//! ends in the same place.

mod admit;
mod apply;
mod build;
mod dereference;
mod draft;
mod probe;
mod status;
#[cfg(test)]
mod tests;
mod validate;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};
use url::Url;

use self::validate::Plan;
use super::{Context, ReconcileError, budgets::Budget};
use crate::{
    crd::{Reason, Requirement, Session, Template},
    domain::{activity::Live, origins::Hosts, session::Ceilings},
    engine::{Stage, WorkloadState},
    objects::Epoch,
    telemetry::steps::Step,
};

/// Everything that a decision rests on, as it was found at one moment.
#[derive(Debug)]
struct Found {
    now: Timestamp,
    /// The leadership under which the decision is made; `None` where there is none to lose.
    epoch: Option<Epoch>,
    template: Option<Arc<Template>>,
    /// The workload of this very session.
    workload: Option<WorkloadState>,
    /// Whether the workload found belongs to an earlier session of the same name.
    foreign: bool,
    live: Live,
    /// Whether the program answered when it was asked just now.
    reachable: bool,
    /// Why the person may not have this session.
    user_refused: Option<(Reason, String)>,
    /// Whether images are run, and not programs of a host.
    images: bool,
    /// Why no session can be started at the moment.
    closed: Option<String>,
    /// Programs that the template needs and the host lacks.
    missing: Vec<Requirement>,
    /// Whether the template may run as it wants to.
    granted: bool,
    /// What its owner's budgets have to say.
    budget: Budget,
    /// Why the platform itself changed the wanted state.
    stopped_because: Option<String>,
    ceilings: Ceilings,
    terminated_ttl: Duration,
    public_url: Url,
    hosts: Hosts,
}

impl Found {
    fn is_running(&self) -> bool {
        self.workload.as_ref().is_some_and(|workload| matches!(workload.stage, Stage::Running { .. }))
    }
}

/// Brings one session nearer to what is wanted.
pub(super) async fn reconcile(session: Arc<Session>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let session = context.newest(session);
    let name = session.name_any();
    let found = dereference::dereference(&context, &session).await?;
    Step::Looked.taken(&name);
    let plan = validate::validate(&session, &found);
    let plan = admit::admit(&context, &session, plan, &found).await?;
    let wanted = build::build(&session, &plan, &found);
    let look_again = wanted.look_again;
    let applied = apply::apply(&context, &session, wanted).await?;
    status::write(&context, &name, applied).await?;
    Ok(match look_again {
        None => Action::await_change(),
        Some(moment) => {
            Action::requeue(moment.duration_since(context.app.clock.now()).unsigned_abs().max(Duration::from_millis(1)))
        }
    })
}
