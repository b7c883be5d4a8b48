//! Rules over templates.

use crate::crd::{TemplateSpec, VncProtocol};

use super::{duration, fields::FieldError, parameters, quantity};

/// Where a home appears where the template says nothing.
pub const DEFAULT_HOME_PATH: &str = "/home/user";

/// Said of a template that wants more than it was granted.
pub const NOT_GRANTED: &str = "The template wants to be root inside its container (security: baseline), which no \
    administrator has granted to it or to its repository.";

/// How a person sees the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The dashboard's own viewer speaks RFB through the gateway.
    Vnc,
    /// A page on the session's own origin.
    Web,
}

/// How a person sees it: a web app, unless it is VNC that the dashboard's viewer can speak.
#[must_use]
pub fn view(spec: &TemplateSpec) -> View {
    match &spec.vnc {
        Some(vnc) if vnc.enabled && vnc.protocol != VncProtocol::Kasmvnc => View::Vnc,
        _ => View::Web,
    }
}

/// The port that has to answer before the session counts as running.
#[must_use]
pub fn main_port(spec: &TemplateSpec) -> Option<u16> {
    let vnc = spec.vnc.as_ref().filter(|vnc| vnc.enabled).map(|vnc| vnc.port);
    let web = spec.webapp.as_ref().filter(|web| web.enabled).map(|web| web.port);
    vnc.or(web).or_else(|| spec.ports.first().map(|port| port.container_port))
}

/// Every port that can be dialled, the main one first, none twice.
#[must_use]
pub fn ports(spec: &TemplateSpec) -> Vec<u16> {
    let mut all: Vec<u16> = main_port(spec).into_iter().collect();
    for port in &spec.ports {
        if !all.contains(&port.container_port) {
            all.push(port.container_port);
        }
    }
    all
}

/// The path a person starts at.
#[must_use]
pub fn start_path(spec: &TemplateSpec) -> &str {
    spec.webapp.as_ref().filter(|web| web.enabled).map_or("/", |web| web.path.as_str())
}

/// The path that is asked to learn whether a web app answers.
#[must_use]
pub fn health_path(spec: &TemplateSpec) -> &str {
    let web = spec.webapp.as_ref().filter(|web| web.enabled);
    web.and_then(|web| web.health_check.as_deref()).unwrap_or_else(|| start_path(spec))
}

/// What the program is asked for where its own `path` is meant and browsers reach it below `base_path`.
#[must_use]
pub fn asked_path(spec: &TemplateSpec, base_path: &str, path: &str) -> String {
    let prefix = if keeps_prefix(spec) { base_path.trim_end_matches('/') } else { "" };
    format!("{prefix}{path}")
}

/// Whether the program serves below its base path itself.
#[must_use]
pub fn keeps_prefix(spec: &TemplateSpec) -> bool {
    spec.webapp.as_ref().is_some_and(|web| web.enabled && web.keep_prefix)
}

/// Whether the program may do what `capability` names.
#[must_use]
pub fn can(spec: &TemplateSpec, capability: &str) -> bool {
    spec.capabilities.iter().any(|known| known == capability)
}

/// Where the home appears inside.
#[must_use]
pub fn home_path(spec: &TemplateSpec) -> &str {
    spec.volume_mounts.iter().find(|mount| mount.name == "home").map_or(DEFAULT_HOME_PATH, |mount| &mount.mount_path)
}

/// Whether a program of the host runs it.
#[must_use]
pub fn is_local(spec: &TemplateSpec) -> bool {
    spec.local.as_ref().is_some_and(|local| !local.command.is_empty())
}

/// Everything that is wrong with a template and that its schema cannot say.
#[must_use]
pub fn check(spec: &TemplateSpec) -> Vec<FieldError> {
    let mut errors = vec![];
    let mut note = |field: &str, result: Result<(), String>| {
        errors.extend(result.err().map(|message| FieldError::new(field, message)));
    };
    let has_port = main_port(spec).map(drop);
    note("spec.ports", has_port.ok_or_else(|| "name a port: vnc.port, webapp.port or one entry of ports".into()));
    note("spec.volumeMounts", check_mounts(spec));
    note("spec.env", check_env(spec));
    note("spec.defaultResources.cpu", amount(spec.default_resources.cpu.as_deref(), quantity::cpu_millicores));
    note("spec.defaultResources.memory", amount(spec.default_resources.memory.as_deref(), quantity::bytes));
    note("spec.defaultResources.gpu", amount(spec.default_resources.gpu.as_deref(), quantity::gpus));
    note("spec.idleTimeout", amount(spec.idle_timeout.as_deref(), duration::idle_timeout));
    note("spec.maxSessionDuration", amount(spec.max_session_duration.as_deref(), duration::max_duration));
    if let Some(Err(error)) = spec.parameters.as_ref().map(parameters::check_schema) {
        errors.push(error);
    }
    errors
}

fn amount<T, E: ToString>(text: Option<&str>, parse: impl Fn(&str) -> Result<T, E>) -> Result<(), String> {
    text.map_or(Ok(()), |text| parse(text).map(drop).map_err(|error| error.to_string()))
}

fn check_mounts(spec: &TemplateSpec) -> Result<(), String> {
    let bad = spec.volume_mounts.iter().find(|mount| {
        let path = &mount.mount_path;
        mount.name != "home" || path == "/" || path.split('/').any(|part| part == ".." || part == ".")
    });
    match bad {
        Some(mount) if mount.name != "home" => {
            Err(format!("there is no volume “{}”: only “home” can be mounted", mount.name))
        }
        Some(mount) => Err(format!("“{}” is no place for a home: write a path such as /home/user", mount.mount_path)),
        None if spec.volume_mounts.len() > 1 => Err("the home can be mounted once".into()),
        None => Ok(()),
    }
}

fn check_env(spec: &TemplateSpec) -> Result<(), String> {
    match spec.env.iter().find(|variable| variable.value.is_some() == variable.value_from.is_some()) {
        Some(variable) => Err(format!("“{}” needs either value or valueFrom", variable.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> TemplateSpec {
        serde_saphyr::from_str(&format!("displayName: T\nbaseImage: i\n{yaml}")).unwrap()
    }

    #[test]
    fn the_port_of_the_viewer_comes_first_and_none_twice() {
        let all = ports(&spec(
            "vnc: { port: 5900 }\nports: [{ name: a, containerPort: 81 }, { name: v, containerPort: 5900 }]",
        ));
        assert_eq!(all, [5900, 81]);
        assert_eq!(view(&spec("vnc: { port: 3000, protocol: kasmvnc }")), View::Web);
        assert_eq!(view(&spec("vnc: { port: 5900 }")), View::Vnc);
    }

    #[test]
    fn what_no_schema_can_say_is_found_here() {
        let found = check(&spec(
            "volumeMounts: [{ name: home, mountPath: /a/../etc }]\nenv: [{ name: A }]\nidleTimeout: 10s\ndefaultResources: { memory: 1Ki }",
        ));
        let fields: Vec<&str> = found.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            ["spec.ports", "spec.volumeMounts", "spec.env", "spec.defaultResources.memory", "spec.idleTimeout"]
        );
        assert!(check(&spec("webapp: { port: 80 }")).is_empty());
    }
}
