//! Load for the measurements of `bench/`, small enough not to be what is measured.
//!
//! ```text
//! load app FIRST_PORT COUNT             answers 1 KiB of text on each of so many ports
//! load floor PORT                       tells WebSockets what is posted, with a bare loop of write(2)
//! load http ADDRESS CONNECTIONS SECONDS FILE
//!                                       asks as fast as it is answered, going round the requests in FILE
//! load sockets ADDRESS COUNT KIND FILE [PUBLISHERS RATE SECONDS]
//!                                       opens WebSockets with the requests in FILE, publishes, and listens
//! ```
//!
//! A file of requests holds one a line, with `\r\n` written out. Results are a line of JSON on standard output.

mod app;
mod floor;
mod http;
mod message;
mod publish;
mod sockets;
mod spread;

use std::{error::Error, net::SocketAddr, process::ExitCode};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    match words {
        ["floor", port] => floor::run(port.parse()?),
        ["app", first, count] => async_main(app::run(first.parse()?, count.parse()?)),
        ["http", address, connections, seconds, file] => {
            let requests = requests(file)?;
            async_main(http::run(address.parse()?, connections.parse()?, seconds.parse()?, requests))
        }
        ["sockets", address, count, kind, file] => sockets(address.parse()?, count, kind, file, None),
        ["sockets", address, count, kind, file, publishers, rate, seconds] => {
            let plan = publish::Plan::new(requests(publishers)?, rate.parse()?, seconds.parse()?);
            sockets(address.parse()?, count, kind, file, Some(plan))
        }
        _ => Err("see the top of bench/load/src/main.rs".into()),
    }
}

fn sockets(address: SocketAddr, count: &str, kind: &str, file: &str, plan: Option<publish::Plan>) -> Outcome {
    let kind = sockets::Kind::parse(kind)?;
    async_main(sockets::run(address, count.parse()?, kind, requests(file)?, plan))
}

/// One core is all that the load gets, so one thread is what suits it.
fn async_main(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

fn requests(file: &str) -> Outcome<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(file)?;
    let requests: Vec<_> = text.lines().map(|line| line.replace("\\r\\n", "\r\n").into_bytes()).collect();
    if requests.is_empty() { Err(format!("{file} holds no request").into()) } else { Ok(requests) }
}
