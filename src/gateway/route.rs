//! Where a request goes, worked out once for each state of a session.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use super::upstream::Pool;
use crate::{
    crd::{Phase, Session, Template},
    domain::{
        origins::Place,
        template::{self, View},
    },
    services::presence::{Presence, Use},
};

/// Sweeps after which a place that nobody asks for is forgotten: ten minutes.
const FORGOTTEN_AFTER: u32 = 40;

/// One place as it stands.
#[derive(Debug)]
pub struct Route {
    /// The session.
    pub session: Arc<Session>,
    /// Its template, where that exists.
    pub template: Option<Arc<Template>>,
    /// Where requests go.
    pub target: Target,
    used: Arc<Use>,
    /// Sweeps since it was asked for.
    age: Cell<u32>,
}

/// Where requests go.
#[derive(Clone, Debug)]
pub enum Target {
    /// To the program.
    Web(Web),
    /// It is seen in the dashboard's viewer.
    Viewer,
    /// The program has no such port.
    NoSuchPort,
    /// It does not run.
    Away,
}

/// A port of a running program.
#[derive(Clone, Debug)]
pub struct Web {
    /// Connections to it.
    pub pool: Rc<Pool>,
    /// What they belong to: the session's uid, the run, the port.
    run: (String, i64, u16),
}

impl Route {
    /// Whether requests for that path are polling rather than a person's doing.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        let activity = self.template.as_ref().and_then(|template| template.spec.activity.as_ref());
        activity.is_some_and(|activity| activity.ignore_paths.iter().any(|pattern| matches(pattern, path)))
    }

    /// The use of the session.
    #[must_use]
    pub fn used(&self) -> Arc<Use> {
        Arc::clone(&self.used)
    }

    /// Whether the program is asked with the prefix that it is reached below.
    #[must_use]
    pub fn keeps_prefix(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template::keeps_prefix(&template.spec))
    }

    fn is_of(&self, session: &Arc<Session>, template: Option<&Arc<Template>>) -> bool {
        let same_template = match (&self.template, template) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_template && Arc::ptr_eq(&self.session, session)
    }
}

/// The routes of one worker.
#[derive(Debug, Default)]
pub struct Routes(RefCell<HashMap<Place, Rc<Route>>>);

impl Routes {
    /// The way to `place`, as `session` and its template stand.
    pub fn resolve(
        &self,
        presence: &Presence,
        place: &Place,
        session: &Arc<Session>,
        template: Option<&Arc<Template>>,
    ) -> Rc<Route> {
        let known = self.0.borrow().get(place).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.is_of(session, template)) {
            known.age.set(0);
            return Rc::clone(known);
        }
        let kept = known.as_ref().and_then(|known| match &known.target {
            Target::Web(web) => Some(web),
            _ => None,
        });
        let uid = session.metadata.uid.as_deref().unwrap_or_default();
        let route = Rc::new(Route {
            target: target(place, session, template, kept),
            used: presence.used(&place.session, uid),
            session: Arc::clone(session),
            template: template.cloned(),
            age: Cell::new(0),
        });
        self.0.borrow_mut().insert(place.clone(), Rc::clone(&route));
        route
    }

    /// Closes connections that nobody needs, and forgets places that nobody asks for.
    pub fn sweep(&self) {
        self.0.borrow_mut().retain(|_, route| {
            if let Target::Web(web) = &route.target {
                web.pool.sweep();
            }
            route.age.set(route.age.get() + 1);
            route.age.get() <= FORGOTTEN_AFTER
        });
    }
}

fn target(place: &Place, session: &Session, template: Option<&Arc<Template>>, kept: Option<&Web>) -> Target {
    let status = session.status.as_ref().filter(|status| status.phase == Phase::Running);
    let (Some(status), Some(template)) = (status, template) else { return Target::Away };
    let spec = &template.spec;
    let main = template::main_port(spec);
    let port = match place.port.or(main) {
        Some(port) if template::ports(spec).contains(&port) => port,
        _ => return Target::NoSuchPort,
    };
    if template::view(spec) == View::Vnc && Some(port) == main {
        return Target::Viewer;
    }
    let run = (session.metadata.uid.clone().unwrap_or_default(), status.run, port);
    match kept.filter(|kept| kept.run == run) {
        Some(kept) => Target::Web(kept.clone()),
        None => Target::Web(Web { pool: Rc::new(Pool::new(&place.session, port)), run }),
    }
}

/// Whether `path` is of the form `pattern`, where each `*` stands for anything, nothing included.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, path) in [
            ("/api/status", "/api/status"),
            ("/api/*", "/api/"),
            ("/api/*", "/api/a/b"),
            ("*/poll", "/user/x/poll"),
            ("/a*b*c", "/axxbyybc"),
            ("/a*", "/a"),
            ("*", "/"),
            ("/a**b", "/ab"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("/api/status", "/api/status/x"), ("/api/*", "/api"), ("/a*a", "/a"), ("/a*b*c", "/axcb"), ("", "/")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
