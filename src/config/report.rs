//! What is in force, and where each value came from.

use clap::{ArgMatches, parser::ValueSource};

use super::layers::{Layers, is_secret, settings};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the file.
    pub key: String,
    /// Its value as it was written; `None`: it is not set and has no default.
    pub value: Option<String>,
    /// Whether the value may not be shown.
    pub secret: bool,
    /// Where the value came from, in words.
    pub source: String,
}

/// Every setting, sorted by key. `matches`: those of a subcommand that takes a [`super::Config`], read over `layers`.
#[must_use]
pub fn report(matches: &ArgMatches, layers: &Layers) -> Vec<Setting> {
    let mut report = Vec::new();
    for (key, argument) in settings() {
        let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
        let flag = argument.get_long().unwrap_or_default();
        let words: Option<Vec<String>> =
            matches.get_raw(&key).map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect());
        let source = match (matches.value_source(&key), layers.origin(&key)) {
            (Some(ValueSource::CommandLine), _) => format!("flag --{flag}"),
            (Some(ValueSource::EnvVariable), _) => format!("environment, {variable}"),
            (Some(_), Some(origin)) => origin.to_string(),
            (Some(_), None) => "default".to_owned(),
            (None, _) => "not set".to_owned(),
        };
        let value = words.map(|words| words.join(","));
        report.push(Setting { key, value, secret: is_secret(&&argument), source });
    }
    report
}
