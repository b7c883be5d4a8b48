//! The settings that may change while the server runs.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    duration::{Span, spoken},
    fields::FieldError,
    merge::present,
    session::Ceilings,
};

/// Largest limit on how often one may ask.
const LARGEST_RATE: u32 = 1_000_000;
/// Longest time that is worth waiting for anything here: a year.
const LONGEST: Duration = Duration::from_hours(24 * 366);
/// Longest directive for the log.
const LOG_LEVEL_BYTES: usize = 1_024;

/// Declares the settings: what is in force, and what of it was changed.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ident;)+) => {
        /// All of them.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct Settings { $($(#[doc = $doc])+ pub $name: $type,)+ }

        /// Some of them: as they were changed, or as somebody wants them; null is as configured.
        #[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(clippy::option_option, reason = "in a merge patch absent, null and a value mean three things")]
        pub struct Overrides {
            $($(#[doc = $doc])+
            #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<$type>)]
            pub $name: Option<Option<$type>>,)+
        }

        impl Settings {
            /// These, where `overrides` says nothing else.
            #[must_use]
            pub fn with(&self, overrides: &Overrides) -> Self {
                Self { $($name: overrides.$name.clone().flatten().unwrap_or_else(|| self.$name.clone()),)+ }
            }
        }

        impl Overrides {
            /// These after `patch`: what it says replaces, null removes.
            #[must_use]
            pub fn patched(self, patch: &Self) -> Self {
                Self { $($name: patch.$name.clone().map_or(self.$name, |value| value.map(Some)),)+ }
            }
        }
    };
}

settings! {
    /// Least important level that is logged, such as `info`, or `warn,streamspace=debug` by part.
    log_level: String;
    /// Requests a second that one address may make for long; ten times as many at once. 0: no limit.
    rate_limit_address: u32;
    /// Requests a second that one person may make for long; ten times as many at once. 0: no limit.
    rate_limit_user: u32;
    /// Attempts to sign in that one address may make a minute. 0: no limit.
    rate_limit_sign_in: u32;
    /// Idle time for templates that name none, such as `1h`; `0s`: never.
    default_idle_timeout: Span;
    /// Longest idle time that may be asked for; `0s`: no bound.
    max_idle_timeout: Span;
    /// Longest duration of a session that may be asked for; `0s`: no bound.
    max_session_duration: Span;
    /// How long terminated sessions stay listed.
    terminated_ttl: Span;
    /// How long sessions go on, after a warning, once a budget is spent.
    budget_grace: Span;
    /// How often repositories are synced that name no interval; `0s`: only when asked to.
    sync_interval: Span;
}

impl Settings {
    /// What sessions may ask for.
    #[must_use]
    pub fn ceilings(&self) -> Ceilings {
        let bound = |span: Span| (!span.0.is_zero()).then_some(span.0);
        Ceilings {
            default_idle: bound(self.default_idle_timeout),
            idle: bound(self.max_idle_timeout),
            duration: bound(self.max_session_duration),
        }
    }

    /// Everything that is wrong with them, so that it can be mended at once; the log's level is the log's to judge.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        let mut say = |field: &str, message: String| wrong.push(FieldError { field: field.into(), message });
        for (field, rate) in [
            ("rateLimitAddress", self.rate_limit_address),
            ("rateLimitUser", self.rate_limit_user),
            ("rateLimitSignIn", self.rate_limit_sign_in),
        ] {
            if rate > LARGEST_RATE {
                say(field, format!("may be at most {LARGEST_RATE}"));
            }
        }
        for (field, span) in [
            ("defaultIdleTimeout", self.default_idle_timeout),
            ("maxIdleTimeout", self.max_idle_timeout),
            ("maxSessionDuration", self.max_session_duration),
            ("terminatedTtl", self.terminated_ttl),
            ("budgetGrace", self.budget_grace),
            ("syncInterval", self.sync_interval),
        ] {
            if span.0 > LONGEST {
                say(field, format!("may be at most {}", spoken(LONGEST)));
            }
        }
        if !idle_fits(self.default_idle_timeout.0, self.max_idle_timeout.0) {
            say("defaultIdleTimeout", "it is longer than maxIdleTimeout allows".into());
        }
        if self.log_level.len() > LOG_LEVEL_BYTES {
            say("logLevel", format!("may have {LOG_LEVEL_BYTES} bytes at most"));
        }
        wrong
    }
}

/// Whether that idle time is within the longest one; zero is none for the first and no bound for the second.
#[must_use]
pub fn idle_fits(usual: Duration, longest: Duration) -> bool {
    longest.is_zero() || (!usual.is_zero() && usual <= longest)
}

/// What was changed, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What differs from how the servers were started.
    pub overrides: Overrides,
    /// Grows with each change; 0 before the first.
    pub version: i64,
    /// Who made the latest change, and when.
    pub changed: Option<(String, Timestamp)>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Changing, test::config};

    fn configured() -> Settings {
        Changing::new(&config(&["--rate-limit-user=7"])).configured().clone()
    }

    fn overrides(value: Value) -> Overrides {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_changed_is_in_force_until_it_is_taken_back() {
        let first = overrides(json!({ "logLevel": "debug", "terminatedTtl": "24h" }));
        let wanted = configured().with(&first);
        assert_eq!((&*wanted.log_level, wanted.rate_limit_user), ("debug", 7));
        assert_eq!(wanted.terminated_ttl.0, Duration::from_hours(24));
        let then = first.patched(&overrides(json!({ "logLevel": null, "rateLimitUser": 9 })));
        assert_eq!(serde_json::to_value(&then).unwrap(), json!({ "terminatedTtl": "24h", "rateLimitUser": 9 }));
        assert_eq!(configured().with(&then).log_level, "info");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let wrong = |value| -> Vec<String> {
            let wanted = configured().with(&overrides(value));
            wanted.check().into_iter().map(|error| error.field).collect()
        };
        assert_eq!(wrong(json!({})), [""; 0]);
        assert_eq!(wrong(json!({ "defaultIdleTimeout": "200h" })), ["defaultIdleTimeout"]);
        assert_eq!(wrong(json!({ "defaultIdleTimeout": "200h", "maxIdleTimeout": "0s" })), [""; 0]);
        assert_eq!(wrong(json!({ "defaultIdleTimeout": "0s" })), ["defaultIdleTimeout"]);
        assert_eq!(
            wrong(json!({ "rateLimitSignIn": 1_000_001, "syncInterval": "9999h" })),
            ["rateLimitSignIn", "syncInterval"]
        );
        for unreadable in
            [json!({ "terminatedTtl": "soon" }), json!({ "colour": "red" }), json!({ "rateLimitUser": -1 })]
        {
            assert!(serde_json::from_value::<Overrides>(unreadable.clone()).is_err(), "{unreadable}");
        }
    }
}
