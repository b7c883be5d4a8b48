/// What is written down while the server runs.
#[derive(clap::Args, Clone, Debug)]
pub struct Logs {
    /// Least important level that is logged, such as `info`, or `warn,streamspace=debug` by part.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// `auto`: text on a terminal, otherwise JSON lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, otherwise JSON lines.
    Auto,
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}
