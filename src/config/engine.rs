use super::{ConfigError, Sessions, environment, layers::Variables};

/// Set by Kubernetes in everything that it runs.
const INSIDE: &str = "KUBERNETES_SERVICE_HOST";

/// What runs the sessions.
#[derive(clap::Args, Clone, Debug)]
pub struct Engine {
    /// `local`: sandboxes on this machine; `kubernetes`: pods of a cluster, that of `KUBECONFIG` or the one this runs in.
    /// Absent: `kubernetes` inside a cluster, else `local`.
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
    /// What runs the sessions.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.engine
            .unwrap_or_else(|| if environment(INSIDE).is_some() { EngineKind::Kubernetes } else { EngineKind::Local })
    }

    /// Asks back where the environment speaks of a cluster and nobody said which engine is meant.
    pub(super) fn check(&self, sessions: &Sessions, variables: Variables<'_>) -> Result<(), ConfigError> {
        if self.engine.is_some() || variables(INSIDE).is_some() {
            return Ok(());
        }
        let hint = if sessions.namespace.is_some() {
            "NAMESPACE"
        } else if variables("KUBECONFIG").is_some() {
            "KUBECONFIG"
        } else {
            return Ok(());
        };
        let message = format!(
            "{hint} is set: are the sessions to run in a cluster or here? Set ENGINE=kubernetes or ENGINE=local"
        );
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
    fn who_says_which_engine_or_runs_inside_a_cluster_is_asked_nothing() {
        assert!(!asked(&["--engine=kubernetes", "--namespace=team"], "KUBECONFIG"));
        assert!(!asked(&["--namespace=team"], "KUBERNETES_SERVICE_HOST"));
    }
}
