//! `streamspace config check`: what is in force, where it came from, and whether it can be used.

use super::{CliError, Sources};
use crate::{
    auth::{refuse_strangers, secret::Secrets},
    config::{self, Changing, Config},
    http::{middleware::policy::Policy, server},
    store::Connector,
};

/// About the settings.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Settings {
    /// Print every setting with its source, secrets hidden, and say what is wrong; nothing is started or made.
    Check(Box<Config>),
}

/// Prints the settings as YAML that could be the file, and fails where one of them cannot be used.
pub(super) fn run(settings: &Settings, sources: &Sources) -> Result<(), CliError> {
    let Settings::Check(config) = settings;
    for setting in config::report(sources.of(&["config", "check"])?, &sources.layers) {
        let value = match (setting.value, setting.secret) {
            (None, _) => "null".to_owned(),
            (Some(_), true) => "(hidden)".to_owned(),
            (Some(value), false) => serde_saphyr::to_string(&value)?.trim_end().to_owned(),
        };
        println!("{}: {value}  # {}", setting.key, setting.source);
    }
    println!("# data folder: {}", config.folders.data()?.display());
    println!("# sockets: {}", config.folders.run()?.display());
    println!("# address: {}", config.http.public_url());
    let wrong = problems(config);
    if wrong.is_empty() {
        println!("# everything can be used");
        return Ok(());
    }
    Err(wrong.join("\n            ").into())
}

/// What each part would say at the start.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut wrong: Vec<String> = config.check(&config::environment).iter().map(ToString::to_string).collect();
    wrong.extend(Policy::new(&config.http, &Changing::new(config)).err().map(|error| error.to_string()));
    wrong.extend(server::tls(&config.http).err().map(|error| error.to_string()));
    wrong.extend(refuse_strangers(config).err().map(|error| error.to_string()));
    if let Some(keys) = &config.people.secret_key {
        use secrecy::ExposeSecret;
        wrong.extend(Secrets::from_text(keys.expose_secret()).err().map(|error| error.to_string()));
    }
    if config.database.is_external() {
        wrong.extend(Connector::external(&config.database).err().map(|error| error.to_string()));
    }
    wrong.dedup();
    wrong
}
