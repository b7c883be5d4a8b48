//! Requests over kept connections, each as soon as the one before it was answered.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{Outcome, message, spread::Spread};

/// Longest wait for an answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Loads `address` for so many seconds. Connection `i` of `n` goes round the requests `i`, `i + n`, and so on.
pub async fn run(address: SocketAddr, connections: usize, seconds: f64, requests: Vec<Vec<u8>>) -> Outcome {
    let requests = Rc::new(requests);
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for own in 0..connections {
        let requests = Rc::clone(&requests);
        tasks.spawn_local(async move {
            let mine: Vec<&[u8]> = requests.iter().skip(own).step_by(connections).map(Vec::as_slice).collect();
            let mine = if mine.is_empty() { vec![requests[own % requests.len()].as_slice()] } else { mine };
            ask(address, &mine, until).await.map_err(|error| error.to_string())
        });
    }
    let mut all = Spread::default();
    while let Some(joined) = tasks.join_next().await {
        all.join(joined??);
    }
    let (count, seconds) = (all.count(), began.elapsed().as_secs_f64());
    println!("{{\"requests\":{count},\"seconds\":{seconds},{}}}", all.fields());
    Ok(())
}

async fn ask(address: SocketAddr, requests: &[&[u8]], until: Instant) -> Outcome<Spread> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut spread = Spread::default();
    let mut answer = Vec::with_capacity(8192);
    for request in requests.iter().cycle() {
        let began = Instant::now();
        if began >= until {
            break;
        }
        stream.write_all(request).await?;
        tokio::time::timeout(WITHIN, read_answer(&mut stream, &mut answer)).await??;
        spread.add(began.elapsed());
    }
    Ok(spread)
}

/// Reads one answer; anything but a 200 with a body is an error.
pub async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Outcome {
    answer.clear();
    let head = loop {
        if let Some(end) = message::end_of_head(answer) {
            break end;
        }
        if stream.read_buf(answer).await? == 0 {
            return Err("the server hung up".into());
        }
    };
    let whole = head + message::body_length(&answer[..head]);
    while answer.len() < whole {
        if stream.read_buf(answer).await? == 0 {
            return Err("the server hung up within an answer".into());
        }
    }
    match message::status(answer) {
        Some(200..=299) if answer.len() == whole => Ok(()),
        _ => Err(format!("not an answer to that: {}", String::from_utf8_lossy(answer)).into()),
    }
}
