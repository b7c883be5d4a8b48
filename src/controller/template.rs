//! Templates: whether they are valid, run here, and how many sessions they have.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::controller::Action};

use super::{Context, ReconcileError};
use crate::{
    Error,
    config::EngineKind,
    crd::{Template, TemplateStatus},
    domain::{
        conditions::{self, Holds},
        template,
    },
    objects::ObjectError,
};

/// How often the host is looked at again: somebody may have installed a program.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

pub(super) async fn reconcile(template: Arc<Template>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    if template.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let status = status(&template, &context).await?;
    if template.status.as_ref() != Some(&status) {
        let shown = Template { status: Some(status), ..(*template).clone() };
        match context.app.templates.store().replace_status(&shown, Some(context.epoch)).await {
            Ok(_) | Err(ObjectError::NotFound { .. } | ObjectError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Action::requeue(LOOK_AGAIN))
}

async fn status(template: &Template, context: &Context) -> Result<TemplateStatus, ReconcileError> {
    let now = context.app.clock.now();
    let generation = template.metadata.generation;
    let mut status = template.status.clone().unwrap_or_default();
    let wrong = template::check(&template.spec);
    status.valid = wrong.is_empty();
    status.message = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    status.observed_generation = generation;
    let name = template.name_any();
    let made = context.sessions.state().iter().filter(|session| session.spec.template == name).count();
    status.instances = i64::try_from(made).unwrap_or(i64::MAX);
    let (valid, message) =
        if status.valid { ("Valid", "The template is valid.") } else { ("Invalid", status.message.as_str()) };
    let message = message.to_owned();
    conditions::set(&mut status.conditions, "Valid", status.valid.into(), valid, &message, generation, now);
    let (holds, reason, message) = runs_here(template, context).await?;
    conditions::set(&mut status.conditions, "RunsHere", holds, reason, &message, generation, now);
    Ok(status)
}

async fn runs_here(template: &Template, context: &Context) -> Result<(Holds, &'static str, String), ReconcileError> {
    if context.app.config.engine.kind() == EngineKind::Kubernetes {
        return Ok((Holds::True, "RunsImages", "The cluster runs its image.".into()));
    }
    if !template::is_local(&template.spec) {
        return Ok((Holds::False, "NeedsContainers", "It needs an engine that runs containers.".into()));
    }
    let requires = template.spec.local.as_ref().map(|local| local.requires.as_slice()).unwrap_or_default();
    let missing = context.app.engine.missing(requires).await.map_err(Error::from)?;
    if missing.is_empty() {
        return Ok((Holds::True, "ProgramsFound", "Everything it needs is on this machine.".into()));
    }
    let list: Vec<String> =
        missing.iter().map(|need| format!("{} is missing: {}", need.program, need.install)).collect();
    Ok((Holds::False, "ProgramMissing", list.join("; ")))
}
