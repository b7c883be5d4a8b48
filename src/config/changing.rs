//! The settings of which some change while the server runs.

use std::{ops::Deref, sync::Arc};

use tokio::sync::watch;

use super::Config;
use crate::domain::{
    duration::Span,
    settings::{Kept, Settings},
};

/// The settings that may change while the server runs, as they are at each moment. A cheap handle.
#[derive(Clone, Debug)]
pub struct Changing {
    configured: Arc<Settings>,
    now: Arc<watch::Sender<Arc<InForce>>>,
}

/// What is in force. Derefs to the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What was changed since the server was started.
    pub kept: Kept,
    settings: Settings,
}

impl Deref for InForce {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Changing {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let configured = configured(config);
        let now = InForce { kept: Kept::default(), settings: configured.clone() };
        Self { configured: Arc::new(configured), now: Arc::new(watch::Sender::new(Arc::new(now))) }
    }

    /// What this server was started with.
    #[must_use]
    pub fn configured(&self) -> &Settings {
        &self.configured
    }

    /// What is in force.
    #[must_use]
    pub fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.now.borrow())
    }

    /// Puts into force what was changed, unless something later is; whether anything is otherwise.
    #[must_use]
    pub fn take(&self, kept: Kept) -> bool {
        self.now.send_if_modified(|now| {
            if kept.version <= now.kept.version {
                return false;
            }
            let settings = self.configured.with(&kept.overrides);
            *now = Arc::new(InForce { kept, settings });
            true
        })
    }
}

fn configured(config: &Config) -> Settings {
    let Config { logs, http, sessions, catalog, .. } = config;
    Settings {
        log_level: logs.log_level.clone(),
        rate_limit_address: http.rate_limit_address,
        rate_limit_user: http.rate_limit_user,
        rate_limit_sign_in: http.rate_limit_sign_in,
        default_idle_timeout: Span(sessions.default_idle_timeout),
        max_idle_timeout: Span(sessions.max_idle_timeout),
        max_session_duration: Span(sessions.max_session_duration),
        terminated_ttl: Span(sessions.terminated_ttl),
        budget_grace: Span(sessions.budget_grace),
        sync_interval: Span(catalog.sync_interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test::config;

    #[test]
    fn a_change_that_comes_late_puts_nothing_back() {
        let settings = Changing::new(&config(&[]));
        let kept = |version, rate: u32| {
            let mut kept = Kept { version, ..Kept::default() };
            kept.overrides.rate_limit_user = Some(Some(rate));
            kept
        };
        assert!(settings.take(kept(2, 20)));
        assert!(!settings.take(kept(1, 10)));
        assert!(!settings.take(kept(2, 20)));
        assert_eq!(settings.now().rate_limit_user, 20);
        assert!(settings.take(Kept { version: 3, ..Kept::default() }));
        assert_eq!(&**settings.now(), settings.configured());
    }
}
