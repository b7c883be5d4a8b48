//! Drains: a node is emptied, and the people on it are told.

mod look;
mod run;

use serde_json::json;

use self::look::Look;
use super::{
    audit::{self, Entry as Audit, Outcome},
    nodes,
};
use crate::{
    App, Error,
    auth::Caller,
    domain::{
        jobs::{Job, Status},
        nodes::{
            Node,
            change::Change,
            drain::{self, Elsewhere, Plan},
            wish::Wish,
        },
    },
    jobs::{self, New},
    store::{self, jobs::Query},
};

pub use run::Drains;

/// The type of job.
const KIND: &str = "node.drain";

fn target(node: &str) -> String {
    format!("node/{node}")
}

/// What a drain would do now.
///
/// # Errors
/// [`Error::NotFound`] for a node that is not there, [`Error::Invalid`] for what cannot be meant.
pub async fn plan(app: &App, node: &str, wish: &Wish) -> Result<Plan, Error> {
    wish.check().map_err(Error::Invalid)?;
    let nodes = nodes::list(app)?;
    if !nodes.iter().any(|one| one.name == node) {
        return Err(Error::not_found("node", node));
    }
    let look = Look::at(app, node, wish.strategy).await?;
    Ok(drain::plan(node, wish, &look.sessions, &look.pods, elsewhere(&nodes, node), app.clock.now()))
}

fn elsewhere(nodes: &[Node], node: &str) -> Elsewhere {
    let mut others = nodes.iter().filter(|other| other.name != node).peekable();
    if others.peek().is_none() {
        return Elsewhere::Nothing;
    }
    if others.any(|other| other.ready && other.schedulable) { Elsewhere::Room } else { Elsewhere::Closed }
}

/// Cordons the node and has it emptied, unless the plan says that this is not possible.
pub async fn begin(app: &App, caller: &Caller, node: &str, wish: &Wish) -> Result<Job, Error> {
    match try_to_begin(app, caller, node, wish).await {
        Err(error @ (Error::Invalid(_) | Error::NotFound { .. } | Error::Conflict(_))) => {
            let refused = Audit { result: Outcome::Refused, ..Audit::new(KIND, target(node)) };
            let refused = nodes::before(app, node).iter().fold(refused, Audit::before);
            let refused = refused.after(&json!({ "asked": wish, "reason": error.to_string() }));
            audit::record(&app.pool.get().await?, caller, refused).await?;
            Err(error)
        }
        other => other,
    }
}

async fn try_to_begin(app: &App, caller: &Caller, node: &str, wish: &Wish) -> Result<Job, Error> {
    let plan = plan(app, node, wish).await?;
    if !plan.possible {
        return Err(Error::Conflict(plan.obstacles.join(" ")));
    }
    if let Some(job) = under_way(app, node).await? {
        return Err(Error::Conflict(format!("the node is being drained already: job {}", job.id)));
    }
    // First nothing new comes; killed after this line the node is cordoned, and the same request goes on from there.
    nodes::change(app, caller, node, &Change::Cordon(true), None).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let new = New {
        payload: json!({ "node": node, "wish": wish }),
        created_by: Some(caller.user.clone()),
        correlation_id: caller.request_id.clone(),
        ..jobs::new(KIND, target(node))
    };
    let (job, _) = jobs::enqueue(&transaction, &new).await?;
    let entry = Audit::new(KIND, target(node)).before(&json!({ "sessions": plan.sessions, "pods": plan.pods }));
    audit::record(&transaction, caller, entry.after(&json!({ "job": job.id, "asked": wish }))).await?;
    store::jobs::feed::announce(&transaction).await?;
    transaction.commit().await?;
    Ok(job)
}

async fn under_way(app: &App, node: &str) -> Result<Option<Job>, Error> {
    let query = Query {
        statuses: vec![Status::Pending, Status::Running],
        kind: Some(KIND.into()),
        target: Some(target(node)),
        limit: 1,
        ..Query::default()
    };
    Ok(store::jobs::list(&app.pool.get().await?, &query).await?.0.pop())
}
