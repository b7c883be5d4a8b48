use super::{Config, ConfigError, EngineKind};

/// What of the platform this process does.
#[derive(clap::Args, Clone, Debug)]
pub struct Roles {
    /// `api`: the page, the API and the live feeds; `gateway`: the way to running programs; `controller`: starting and
    /// stopping them, and long work. Several are separated by commas. Absent: all of it.
    #[arg(long, env = "ROLE", value_enum, value_delimiter = ',')]
    pub role: Vec<Role>,
}

/// A part of the platform that a process of its own can do, in a cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Role {
    /// The page, the API and the live feeds.
    Api,
    /// The way from browsers to running programs.
    Gateway,
    /// Brings the world in line with the objects, while it leads; works on jobs.
    Controller,
}

impl Role {
    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Gateway => "gateway",
            Self::Controller => "controller",
        }
    }
}

impl Roles {
    const ALL: [Role; 3] = [Role::Api, Role::Gateway, Role::Controller];

    /// Whether this process has that role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.role.is_empty() || self.role.contains(&role)
    }

    /// The roles that this process has, in a fixed order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        Self::ALL.into_iter().filter(|role| self.has(*role)).map(Role::word)
    }

    /// Whether other processes do the rest.
    fn is_part(&self) -> bool {
        Self::ALL.into_iter().any(|role| !self.has(role))
    }
}

impl Config {
    /// Refuses to share the work with processes that nothing is shared with.
    pub(super) fn check_roles(&self, wrong: &mut Vec<ConfigError>) {
        if !self.roles.is_part() {
            return;
        }
        if self.engine.kind() == EngineKind::Local {
            let message = "the sandboxes of a machine belong to one process, which does everything: leave it out";
            wrong.push(ConfigError::new("ROLE", message));
        }
        if !self.database.is_external() {
            wrong.push(ConfigError::new("DATABASE_URL", "processes of several roles share a database: say which"));
        }
        if self.people.secret_key.is_none() {
            wrong.push(ConfigError::new("SECRET_KEY", "processes of several roles share the keys: set it for all"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;
    use crate::config::test::config;

    #[test]
    fn who_names_no_role_has_all_and_who_names_some_has_those() {
        let words = |arguments: &[&str]| config(arguments).roles.words().collect::<Vec<_>>();
        assert_eq!(words(&[]), ["api", "gateway", "controller"]);
        assert_eq!(words(&["--role=controller,api"]), ["api", "controller"]);
        let gateway = config(&["--role=gateway"]).roles;
        assert!(gateway.has(Role::Gateway) && !gateway.has(Role::Api) && !gateway.has(Role::Controller));
    }

    #[test]
    fn a_part_of_the_work_is_done_only_where_the_rest_can_be() {
        let wrong = |arguments: &[&str]| -> Vec<String> {
            config(arguments).check(&|_| None).into_iter().map(|error| error.setting).collect()
        };
        let part = "--role=api,controller";
        assert_eq!(wrong(&["--engine=local", part]), ["ROLE", "DATABASE_URL", "SECRET_KEY"]);
        let shared = ["--database-url=postgres://db/x", "--secret-key=0123456789abcdef0123456789abcdef"];
        assert_eq!(wrong(&["--engine=kubernetes", part, shared[0], shared[1]]), Vec::<String>::new());
        assert_eq!(wrong(&["--engine=local", "--role=api,controller,gateway"]), Vec::<String>::new());
    }
}
