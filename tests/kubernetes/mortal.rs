//! `streamspace` itself, which is killed once its controller has taken the step that `MORTAL_AFTER` names.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{process::ExitCode, sync::OnceLock};

use nix::sys::signal::{Signal, raise};
use streamspace::{
    cli,
    clock::SystemClock,
    telemetry::steps::{self, Step},
};

fn main() -> ExitCode {
    steps::watch(end);
    cli::run(cli::Cli::read(), SystemClock::shared())
}

fn end(step: Step) {
    static LAST: OnceLock<Option<String>> = OnceLock::new();
    if LAST.get_or_init(|| std::env::var("MORTAL_AFTER").ok()).as_deref() == Some(&*format!("{step:?}")) {
        // Not even the rest of this line is written.
        let _ = raise(Signal::SIGKILL);
    }
}
