//! Rules over sessions: what a session gets when its wishes meet its template and the administrator's ceilings.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::crd::{Resources, Session, SessionSpec, TemplateSpec};

use super::{duration, fields::FieldError, names, parameters, quantity};

/// Processor time of a session whose template names none, in thousandths of a core.
const DEFAULT_CPU_MILLICORES: u64 = 1000;
/// Memory of a session whose template names none, in bytes.
const DEFAULT_MEMORY_BYTES: u64 = 1 << 30;

/// What the administrator allows, from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Idle time for templates and sessions that name none; `None` = never.
    pub default_idle: Option<Duration>,
    /// Longest idle time that may be asked for; `None` = no bound.
    pub idle: Option<Duration>,
    /// Longest duration that may be asked for; `None` = no bound.
    pub duration: Option<Duration>,
}

/// What a session gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Whole GPUs.
    pub gpus: u32,
    /// Hibernate after this long without activity; `None` = never.
    pub idle_timeout: Option<Duration>,
    /// Terminate after this long; `None` = never.
    pub max_duration: Option<Duration>,
    /// Parameters with the schema's defaults.
    pub parameters: BTreeMap<String, Value>,
}

/// Brings a session's wishes, its template and the ceilings together.
///
/// # Errors
/// Everything that is wrong, one finding a field, each with a sentence that says how to mend it.
pub fn resolve(spec: &SessionSpec, template: &TemplateSpec, ceilings: &Ceilings) -> Result<Resolved, Vec<FieldError>> {
    let mut errors = vec![];
    let mut take = Findings(&mut errors);
    let resources = merged(&spec.resources, &template.default_resources);
    let cpu_millicores = take.amount("spec.resources.cpu", resources.cpu.as_deref(), quantity::cpu_millicores);
    let memory_bytes = take.amount("spec.resources.memory", resources.memory.as_deref(), quantity::bytes);
    let gpus = take.amount("spec.resources.gpu", resources.gpu.as_deref(), quantity::gpus);
    let idle_timeout = take.idle(spec, template, ceilings);
    let max_duration = take.duration(spec, template, ceilings);
    let parameters = take.all(parameters::resolve(template.parameters.as_ref(), &spec.parameters));
    take.text("spec.displayName", spec.display_name.as_deref());
    for (at, tag) in spec.tags.iter().enumerate() {
        take.text(&format!("spec.tags[{at}]"), Some(tag));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Resolved {
        cpu_millicores: cpu_millicores.unwrap_or(DEFAULT_CPU_MILLICORES),
        memory_bytes: memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES),
        gpus: gpus.unwrap_or(0),
        idle_timeout,
        max_duration,
        parameters: parameters.unwrap_or_default(),
    })
}

/// What the session asks for, else what the template gives.
fn merged(wish: &Resources, default: &Resources) -> Resources {
    Resources {
        cpu: wish.cpu.clone().or_else(|| default.cpu.clone()),
        memory: wish.memory.clone().or_else(|| default.memory.clone()),
        gpu: wish.gpu.clone().or_else(|| default.gpu.clone()),
    }
}

/// The home that a session mounts: its person's, or one that goes with the session and has its name.
#[must_use]
pub fn home_name(session: &Session, template: &TemplateSpec) -> String {
    let spec = &session.spec;
    if spec.persistent_home {
        names::home(&spec.user, &spec.template, template.home)
    } else {
        session.metadata.name.clone().unwrap_or_default()
    }
}

/// Gathers findings while values are read.
struct Findings<'a>(&'a mut Vec<FieldError>);

impl Findings<'_> {
    fn amount<T, E: ToString>(
        &mut self,
        field: &str,
        text: Option<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let result = text.map(parse)?;
        result.map_err(|error| self.0.push(FieldError::new(field, error.to_string()))).ok()
    }

    fn all<T>(&mut self, result: Result<T, Vec<FieldError>>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors)).ok()
    }

    fn text(&mut self, field: &str, text: Option<&str>) {
        if text.is_some_and(|text| text.chars().any(char::is_control) || text.trim().is_empty()) {
            self.0.push(FieldError::new(field, "must be visible text on one line"));
        }
    }

    /// The session's idle time, else the template's, else the default; never above the ceiling.
    fn idle(&mut self, spec: &SessionSpec, template: &TemplateSpec, ceilings: &Ceilings) -> Option<Duration> {
        let field = "spec.idleTimeout";
        let Some(own) = spec.idle_timeout.as_deref() else {
            let given = template.idle_timeout.as_deref().and_then(|text| duration::idle_timeout(text).ok());
            return lower(given.unwrap_or(ceilings.default_idle), ceilings.idle);
        };
        let own = self.amount(field, Some(own), duration::idle_timeout)?;
        self.under(field, own, ceilings.idle)
    }

    /// The same for the longest duration.
    fn duration(&mut self, spec: &SessionSpec, template: &TemplateSpec, ceilings: &Ceilings) -> Option<Duration> {
        let field = "spec.maxSessionDuration";
        let Some(own) = spec.max_session_duration.as_deref() else {
            let given = template.max_session_duration.as_deref().and_then(|text| duration::max_duration(text).ok());
            return lower(given.flatten(), ceilings.duration);
        };
        let own = self.amount(field, Some(own), duration::max_duration)?;
        self.under(field, own, ceilings.duration)
    }

    /// Refuses a wish above the ceiling; `None`, which is forever, is above any.
    fn under(&mut self, field: &str, wish: Option<Duration>, ceiling: Option<Duration>) -> Option<Duration> {
        if let Some(ceiling) = ceiling
            && wish.is_none_or(|wish| wish > ceiling)
        {
            self.0.push(FieldError::new(field, format!("may be at most {}", duration::short(ceiling))));
        }
        wish
    }
}

/// The lower of two bounds, where `None` means that there is none.
fn lower(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (bound, None) | (None, bound) => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(yaml: &str) -> SessionSpec {
        serde_saphyr::from_str(&format!("user: alice\ntemplate: t\n{yaml}")).unwrap()
    }

    fn template(yaml: &str) -> TemplateSpec {
        serde_saphyr::from_str(&format!("displayName: T\nbaseImage: i\nwebapp: {{ port: 80 }}\n{yaml}")).unwrap()
    }

    const CEILINGS: Ceilings =
        Ceilings { default_idle: Some(Duration::from_hours(1)), idle: Some(Duration::from_hours(8)), duration: None };

    #[test]
    fn what_the_session_does_not_say_comes_from_the_template_and_then_from_the_defaults() {
        let both = resolve(
            &session("resources: { cpu: 500m }"),
            &template("defaultResources: { cpu: '2', memory: 2Gi }\nidleTimeout: 30m"),
            &CEILINGS,
        );
        let both = both.unwrap();
        assert_eq!((both.cpu_millicores, both.memory_bytes), (500, 2 << 30));
        assert_eq!(both.idle_timeout, Some(Duration::from_mins(30)));
        let neither = resolve(&session(""), &template(""), &CEILINGS).unwrap();
        assert_eq!((neither.cpu_millicores, neither.memory_bytes), (1000, 1 << 30));
        assert_eq!(neither.idle_timeout, Some(Duration::from_hours(1)));
    }

    #[test]
    fn nobody_gets_past_a_ceiling_neither_by_asking_nor_by_forever() {
        for wish in ["9h", "0s"] {
            let errors = resolve(&session(&format!("idleTimeout: {wish}")), &template(""), &CEILINGS).unwrap_err();
            assert_eq!(errors, [FieldError::new("spec.idleTimeout", "may be at most 8h")], "{wish}");
        }
        let under = resolve(&session("idleTimeout: 8h"), &template(""), &CEILINGS).unwrap();
        assert_eq!(under.idle_timeout, Some(Duration::from_hours(8)));
        let template = resolve(&session(""), &template("idleTimeout: 0s"), &CEILINGS).unwrap();
        assert_eq!(template.idle_timeout, Some(Duration::from_hours(8)));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wish = session(
            "resources: { cpu: '0', memory: 1Ki }\ndisplayName: \"a\\u0007b\"\nparameters: { x: 1 }\nidleTimeout: 5s",
        );
        let fields: Vec<String> =
            resolve(&wish, &template(""), &CEILINGS).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            [
                "spec.resources.cpu",
                "spec.resources.memory",
                "spec.idleTimeout",
                "spec.parameters.x",
                "spec.displayName"
            ]
        );
    }
}
