//! Where settings come from: defaults, then the YAML file, then the environment, then flags.
//!
//! The file's values become clap's defaults, so that clap itself keeps the order, and a message about a value is the
//! same wherever it was written. Keys of the file are the flags' names in `snake_case`.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, Args, Command};
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{Config, ConfigError};

/// Other names of variables, kept for those who have them: the older name, and the setting it fills.
const OLDER_NAMES: [(&str, &str); 2] = [("PORT", "api_port"), ("JWT_SECRET", "secret_key")];
/// The variable that names the file.
const FILE_VARIABLE: &str = "STREAMSPACE_CONFIG";

/// Where a value came from, other than clap's own three places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the YAML file.
    File {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// An older name of the variable.
    Variable(String),
    /// The file that a variable or a key names: which one, and the file.
    SecretFile(String, PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment, {name}"),
            Self::SecretFile(name, path) => write!(f, "{name}, {}", path.display()),
        }
    }
}

/// Values below the environment, by the setting's name in `snake_case`.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    values: BTreeMap<String, (String, Origin)>,
}

/// The environment, as a function so that tests have one of their own.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The process's environment; what is set to nothing is not set.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is config/")]
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl Layers {
    /// Reads the file that `--config` or `STREAMSPACE_CONFIG` names, older names and files with secrets.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of a key that is unknown or of a value that cannot be, or the variable.
    pub fn read(arguments: &[OsString], variables: Variables<'_>) -> Result<Self, ConfigError> {
        let settings = settings();
        let mut layers = Self::default();
        if let Some(path) = file_named(arguments).or_else(|| variables(FILE_VARIABLE).map(PathBuf::from)) {
            layers.read_file(&path, &settings)?;
        }
        for setting in settings.values() {
            layers.read_variables(setting, variables)?;
        }
        Ok(layers)
    }

    /// Where the value of a setting came from, if it is one of these layers'.
    #[must_use]
    pub fn origin(&self, setting: &str) -> Option<&Origin> {
        self.values.get(setting).map(|(_, origin)| origin)
    }

    /// `command` and its subcommands with these values as defaults.
    #[must_use]
    pub fn apply(&self, command: Command) -> Command {
        let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        let command = ids.iter().fold(command, |command, id| match self.values.get(id) {
            Some((value, _)) => command.mut_arg(id, |arg| {
                // Help would print it.
                let hidden = is_secret(&&arg);
                arg.default_value(value.clone()).hide_default_value(hidden)
            }),
            None => command,
        });
        command.mut_subcommands(|subcommand| self.apply(subcommand))
    }

    fn read_file(&mut self, path: &Path, settings: &BTreeMap<String, Arg>) -> Result<(), ConfigError> {
        let wrong = |message: String| ConfigError::new(path.display().to_string(), message);
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let Entries(entries) = if text.trim().is_empty() {
            Entries::default()
        } else {
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options(&text, options).map_err(|error| wrong(error.to_string()))?
        };
        for (key, value) in entries {
            let line = key.referenced.line();
            let at = |message: String| ConfigError::new(format!("{}:{line}", path.display()), message);
            let origin = Origin::File { path: path.to_owned(), line };
            let Some(value) = plain(&value).map_err(|message| at(format!("{}: {message}", key.value)))? else {
                continue;
            };
            if let Some(setting) = settings.get(&key.value) {
                accepted(setting, &value).map_err(|message| at(format!("{}: {message}", key.value)))?;
                self.values.insert(key.value, (value, origin));
            } else if let Some(setting) =
                key.value.strip_suffix("_file").and_then(|name| settings.get(name)).filter(is_secret)
            {
                let secret = Path::new(&value).to_owned();
                let text = secret_in(&secret).map_err(|message| at(format!("{}: {message}", key.value)))?;
                self.values
                    .insert(setting.get_id().to_string(), (text, Origin::SecretFile(origin.to_string(), secret)));
            } else {
                return Err(at(format!("there is no setting {}", key.value)));
            }
        }
        Ok(())
    }

    /// Older names and `NAME_FILE`, which stand above the file and below the variable itself.
    fn read_variables(&mut self, setting: &Arg, variables: Variables<'_>) -> Result<(), ConfigError> {
        let Some(name) = setting.get_env().and_then(OsStr::to_str) else { return Ok(()) };
        let id = setting.get_id().to_string();
        let older = OLDER_NAMES.iter().filter(|(_, fills)| *fills == id).map(|(older, _)| *older);
        // From the weakest to the strongest: the last one that is set stays.
        for variable in older.chain([name]) {
            if is_secret(&setting)
                && let Some(path) = variables(&format!("{variable}_FILE")).map(PathBuf::from)
            {
                let file_variable = format!("{variable}_FILE");
                if variables(variable).is_some() {
                    return Err(ConfigError::new(file_variable, format!("{variable} is set too: unset one of them")));
                }
                let text = secret_in(&path).map_err(|message| ConfigError::new(&file_variable, message))?;
                self.values.insert(id.clone(), (text, Origin::SecretFile(file_variable, path)));
            } else if variable != name
                && let Some(value) = variables(variable)
            {
                let value = value.into_string().map_err(|_| ConfigError::new(variable, "it is not UTF-8"))?;
                accepted(setting, &value).map_err(|message| ConfigError::new(variable, message))?;
                self.values.insert(id.clone(), (value, Origin::Variable(variable.into())));
            }
        }
        Ok(())
    }
}

/// Every setting by its name in `snake_case`.
pub(super) fn settings() -> BTreeMap<String, Arg> {
    let command = Config::augment_args(Command::new("settings"));
    command
        .get_arguments()
        .filter(|arg| arg.get_id() != "config")
        .map(|arg| (arg.get_id().to_string(), arg.clone()))
        .collect()
}

/// Whether a setting is never shown.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "a filter hands out references to references")]
pub(super) fn is_secret(setting: &&Arg) -> bool {
    setting.is_hide_env_values_set()
}

/// What follows `--config`: read before clap reads anything, since its defaults depend on it.
fn file_named(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    None
}

/// A value as clap reads it from a flag; `None` for null.
fn plain(value: &Value) -> Result<Option<String>, &'static str> {
    Ok(match value {
        Value::Null => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        Value::Array(values) => {
            let words: Result<Vec<Option<String>>, _> = values.iter().map(plain).collect();
            Some(words?.into_iter().flatten().collect::<Vec<_>>().join(","))
        }
        Value::Object(_) => return Err("write one value, or a list"),
    })
}

/// Asks clap whether it would take the value, so that a refusal can name where it was written.
fn accepted(setting: &Arg, value: &str) -> Result<(), String> {
    let long = setting.get_long().unwrap_or_default();
    if matches!(setting.get_action(), ArgAction::SetTrue) {
        return if matches!(value, "true" | "false") { Ok(()) } else { Err("write true or false".into()) };
    }
    // On its own: what it demands of other settings is looked at when all are known.
    let alone = Command::new("settings").no_binary_name(true).disable_help_flag(true).arg(
        Arg::new(setting.get_id().clone())
            .long(long.to_owned())
            .action(setting.get_action().clone())
            .value_parser(setting.get_value_parser().clone())
            .value_delimiter(setting.get_value_delimiter()),
    );
    match alone.try_get_matches_from([format!("--{long}={value}")]) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            Err(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        }
    }
}

/// The text of a file that holds a secret, without the line break at its end.
fn secret_in(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(text.to_owned()) }
}

/// The file's entries with their lines.
#[derive(Default)]
struct Entries(Vec<(Spanned<String>, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings, one a line, such as api_port: 8000")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        command: Subcommand,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Subcommand {
        Serve(Box<Config>),
    }

    /// What comes of a file, an environment and flags. Variables that clap reads itself are given as flags here.
    fn read(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("streamspace.yaml");
        std::fs::write(&path, file).unwrap();
        let mut arguments: Vec<OsString> = ["streamspace", "serve", "--config"].map(Into::into).to_vec();
        arguments.push(path.into());
        arguments.extend(flags.iter().map(Into::into));
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let layers = Layers::read(&arguments, &variable)?;
        let command = layers.apply(<Program as clap::CommandFactory>::command());
        let matches = command.try_get_matches_from(arguments).unwrap();
        let program = <Program as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let Subcommand::Serve(config) = program.command;
        Ok(*config)
    }

    fn refused(file: &str) -> String {
        read(file, &[], &[]).unwrap_err().to_string()
    }

    #[test]
    fn the_file_stands_above_defaults_and_below_flags() {
        let file = "# a comment\napi_port: 9000\nmanagement_port: 9001\ncors_origins: [https://a.example, https://b.example]\nallow_plain_http: true\n";
        let config = read(file, &[], &["--management-port=9002"]).unwrap();
        assert_eq!((config.http.api_port, config.http.management_port), (9000, 9002));
        assert_eq!(config.http.cors_origins, ["https://a.example", "https://b.example"]);
        assert!(config.http.allow_plain_http);
        assert_eq!(read("", &[], &[]).unwrap().http.api_port, 8000);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let refused = refused("api_port: 9000\n\napi_prot: 9001\n");
        assert!(refused.contains("streamspace.yaml:3") && refused.contains("api_prot"), "{refused}");
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_its_line() {
        for (line, word) in [
            ("api_port: 70000", "api_port"),
            ("auth_mode: magic", "auth_mode"),
            ("allow_plain_http: maybe", "true or false"),
            ("api_host: { a: b }", "one value"),
        ] {
            let refused = refused(&format!("namespace: here\n{line}\n"));
            assert!(refused.contains(":2") && refused.contains(word), "{refused}");
        }
        assert!(refused("- a\n- b\n").contains("streamspace.yaml"));
        assert!(refused("api_port: 1\napi_port: 2\n").contains("streamspace.yaml"), "a key stands once");
    }

    #[test]
    fn older_names_of_variables_still_work() {
        use secrecy::ExposeSecret;
        let config = read("api_port: 9000\n", &[("PORT", "9100"), ("JWT_SECRET", "an old secret")], &[]).unwrap();
        assert_eq!(config.http.api_port, 9100);
        assert_eq!(config.people.secret_key.unwrap().expose_secret(), "an old secret");
        assert!(read("", &[("PORT", "x")], &[]).unwrap_err().to_string().starts_with("PORT"));
    }

    #[test]
    fn every_secret_can_come_from_a_file() {
        use secrecy::ExposeSecret;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "from a file\n").unwrap();
        let path = path.to_str().unwrap();
        for (id, setting) in settings().iter().filter(|(_, setting)| is_secret(setting)) {
            let name = setting.get_env().unwrap().to_str().unwrap();
            let by_variable =
                Layers::read(&[], &|asked| (asked == format!("{name}_FILE")).then(|| path.into())).unwrap();
            assert_eq!(by_variable.values[id].0, "from a file");
            let both = |asked: &str| (asked == name || asked == format!("{name}_FILE")).then(|| path.into());
            assert!(Layers::read(&[], &both).unwrap_err().to_string().contains("unset one of them"));
        }
        let by_key = read(&format!("db_password_file: {path}\n"), &[], &[]).unwrap();
        assert_eq!(by_key.database.db_password.unwrap().expose_secret(), "from a file");
        assert!(refused("db_password_file: /does/not/exist\n").contains("/does/not/exist"));
        assert!(refused("api_port_file: /etc/hostname\n").contains("api_port_file"), "only secrets");
    }

    #[test]
    fn help_shows_no_value_of_the_layers() {
        let variable = |name: &str| (name == "JWT_SECRET").then(|| "hunter2hunter2".into());
        let layers = Layers::read(&[], &variable).unwrap();
        let mut command = layers.apply(<Program as clap::CommandFactory>::command());
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        assert!(help.contains("SECRET_KEY") && !help.contains("hunter2"), "{help}");
    }
}
