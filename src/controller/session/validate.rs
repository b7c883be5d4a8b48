//! The pure step that decides whether, and as what, a session may run.

use std::collections::BTreeMap;

use super::{Found, build::EngineCall};
use crate::{
    crd::{Phase, Reason, Security, Session, Template, TemplateSpec, Verdict},
    domain::{
        doctor, parameters,
        session::{self, Resolved},
        template,
    },
    engine::{Home, Limits, SessionId, Workload},
};

/// Whether, and as what, a session may run.
#[derive(Debug)]
pub(super) enum Plan {
    /// As this.
    Run { resolved: Box<Resolved>, workload: Box<Workload>, url: String },
    /// Not yet: something is missing that may come.
    Wait(Verdict),
    /// Not like that.
    Refuse(Verdict),
}

impl Plan {
    /// The call that brings up run `run`.
    pub(super) fn ensure(&self, run: i64) -> Option<EngineCall> {
        match self {
            Self::Run { workload, .. } => Some(EngineCall::Ensure(Box::new(Workload { run, ..(**workload).clone() }))),
            Self::Wait(_) | Self::Refuse(_) => None,
        }
    }
}

/// Decides; changes nothing.
pub(super) fn validate(session: &Session, found: &Found) -> Plan {
    let spec = &session.spec;
    let refuse = |reason, message: String| Plan::Refuse(doctor::verdict(reason, message, found.now));
    let Some(template) = &found.template else {
        let message = format!("There is no template “{}”: the session starts once there is.", spec.template);
        return Plan::Wait(doctor::verdict(Reason::ValidationFailed, message, found.now));
    };
    if let Some((reason, message)) = &found.user_refused {
        return refuse(*reason, message.clone());
    }
    let wrong = template::check(&template.spec);
    if !wrong.is_empty() {
        let list: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        return refuse(Reason::ValidationFailed, format!("The template is not valid: {}.", list.join("; ")));
    }
    if !found.granted {
        return refuse(Reason::PolicyRefused, template::NOT_GRANTED.into());
    }
    if let Some(missing) = found.missing.first() {
        return refuse(
            Reason::ProgramMissing,
            format!("{} is missing on this machine: {}", missing.program, missing.install),
        );
    }
    if let Some(message) = found.closed.as_ref().filter(|_| is_to_start(session)) {
        return Plan::Wait(doctor::closed(message, found.now));
    }
    match session::resolve(spec, &template.spec, &found.ceilings) {
        Err(errors) => {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            refuse(Reason::ValidationFailed, list.join("; "))
        }
        Ok(resolved) => {
            let workload = workload(session, template, &resolved, found);
            let url = url(session, &template.spec, found);
            Plan::Run { resolved: Box::new(resolved), workload: Box::new(workload), url }
        }
    }
}

/// Whether nothing of it was started yet, or nothing of it is left.
fn is_to_start(session: &Session) -> bool {
    let phase = session.phase();
    matches!(phase, Phase::Pending | Phase::Hibernated | Phase::Failed)
}

fn url(session: &Session, spec: &TemplateSpec, found: &Found) -> String {
    let name = session.metadata.name.as_deref().unwrap_or_default();
    match template::view(spec) {
        template::View::Vnc => format!("{}sessions/{name}", found.public_url),
        template::View::Web => {
            let main = template::main_port(spec).unwrap_or_default();
            format!("{}{}", found.hosts.address(name, None, main), template::start_path(spec))
        }
    }
}

fn workload(session: &Session, template: &Template, resolved: &Resolved, found: &Found) -> Workload {
    let (spec, name) = (&template.spec, session.metadata.name.clone().unwrap_or_default());
    let user = &session.spec.user;
    let base_path = found.hosts.base_path(&name, template::main_port(spec).unwrap_or_default());
    let told = parameters::Told { session: &name, user, base_path: &base_path };
    let expand = |text: &String| parameters::expand(text, &resolved.parameters, &told);
    let program = Program::of(spec, found.images);
    let home = if session.spec.persistent_home {
        Home::Persistent(session::home_name(session, spec))
    } else {
        Home::Ephemeral
    };
    Workload {
        session_uid: session.metadata.uid.clone().unwrap_or_default(),
        user: user.clone(),
        template: session.spec.template.clone(),
        run: 0,
        image: spec.base_image.clone(),
        command: program.command.iter().map(expand).collect(),
        args: program.args.iter().map(expand).collect(),
        env: program.env.iter().map(|(name, value)| (name.clone(), expand(value))).collect(),
        ports: template::ports(spec),
        home,
        home_path: template::home_path(spec).into(),
        limits: Limits {
            cpu_millicores: resolved.cpu_millicores,
            memory_bytes: resolved.memory_bytes,
            gpus: resolved.gpus,
        },
        network: template::can(spec, "Network"),
        // What was not granted never comes so far.
        root: spec.security == Security::Baseline,
        requires: spec.local.as_ref().map(|local| local.requires.clone()).unwrap_or_default(),
        session: SessionId(name),
    }
}

/// What is run, before parameters are put in.
struct Program<'a> {
    command: &'a [String],
    args: &'a [String],
    env: BTreeMap<String, String>,
}

impl<'a> Program<'a> {
    /// The image's program, or that of the host where programs of a host are run and the template names one.
    fn of(spec: &'a TemplateSpec, images: bool) -> Self {
        let plain = spec.env.iter().filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)));
        let local = spec.local.as_ref().filter(|_| !images);
        let (command, args) = match local {
            Some(local) if !local.command.is_empty() => (&local.command, &local.args),
            _ => (&spec.command, &spec.args),
        };
        let env = plain.chain(local.into_iter().flat_map(|local| local.env.clone())).collect();
        Self { command, args, env }
    }
}
