use super::{ConfigError, Sessions, layers::Variables};

/// What runs the sessions.
#[derive(clap::Args, Clone, Debug)]
pub struct Engine {
    /// `local`: sandboxes on this machine.
    #[arg(long, env = "ENGINE", value_enum)]
    pub engine: Option<EngineKind>,
}

/// What can run sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum EngineKind {
    /// Sandboxes on this machine.
    Local,
    /// Pods of a cluster.
    Kubernetes,
}

impl EngineKind {
    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl Engine {
    /// What runs the sessions: this machine, unless another was asked for.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.engine.unwrap_or(EngineKind::Local)
    }

    /// Asks back where the environment speaks of a cluster and nobody said which engine is meant.
    pub(super) fn check(&self, sessions: &Sessions, variables: Variables<'_>) -> Result<(), ConfigError> {
        let inside = variables("KUBERNETES_SERVICE_HOST").is_some();
        match self.engine {
            Some(EngineKind::Local) => return Ok(()),
            Some(EngineKind::Kubernetes) => {}
            None if inside => {}
            None => {
                let hint = if sessions.namespace.is_some() {
                    "NAMESPACE"
                } else if variables("KUBECONFIG").is_some() {
                    "KUBECONFIG"
                } else {
                    return Ok(());
                };
                let message = format!(
                    "{hint} is set: are the sessions to run in a cluster or here? For this machine set ENGINE=local"
                );
                return Err(ConfigError::new("ENGINE", message));
            }
        }
        let message = "this version runs sessions on one machine only: set ENGINE=local";
        Err(ConfigError::new("ENGINE", message))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::config::test::config;

    fn asked(arguments: &[&str], variable: &str) -> bool {
        let config = config(arguments);
        let variables = |name: &str| (name == variable).then(|| OsString::from("x"));
        config.engine.check(&config.sessions, &variables).is_err()
    }

    #[test]
    fn who_speaks_of_a_cluster_is_asked_which_engine_is_meant() {
        assert!(asked(&[], "KUBECONFIG"));
        assert!(asked(&["--namespace=team"], "-"));
        assert!(!asked(&["--engine=local", "--namespace=team"], "KUBECONFIG"));
        assert!(!asked(&[], "-"));
    }

    #[test]
    fn the_engine_that_is_not_there_yet_is_refused() {
        assert!(asked(&["--engine=kubernetes"], "-"));
        assert!(asked(&[], "KUBERNETES_SERVICE_HOST"));
        assert!(!asked(&["--engine=local"], "KUBERNETES_SERVICE_HOST"));
    }
}
