//! `streamspace` itself, with a clock that the browser tests move.
//!
//! Reads lines from standard input: `advance SECONDS` moves the clock and is answered by `clock moved`. When the input
//! ends, so does the program, so that a server never outlives the tests that started it.

#![allow(clippy::print_stdout, reason = "the answer is what the tests wait for")]

use std::{io::BufRead, process::ExitCode, sync::Arc, thread};

use jiff::SignedDuration;
use nix::sys::signal::{Signal, raise};
use streamspace::{cli, clock::MovableClock};

fn main() -> ExitCode {
    let clock = MovableClock::shared();
    // The holders of sandboxes are this program too, and have no tests that speak to them.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        let moved = Arc::clone(&clock);
        thread::spawn(move || obey(&moved));
    }
    cli::run(cli::Cli::read(), clock)
}

fn obey(clock: &MovableClock) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let seconds = line.strip_prefix("advance ").and_then(|number| number.trim().parse().ok());
        match seconds {
            Some(seconds) => {
                clock.advance(SignedDuration::from_secs(seconds));
                println!("clock moved by {seconds} s");
            }
            None => println!("not understood: {line}"),
        }
    }
    // The orderly stop, as a service manager asks for it.
    let _ = raise(Signal::SIGTERM);
}
