//! The program behind the gateway: answers every request with 1 KiB.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_local},
};

use crate::{Outcome, message};

/// Bytes of the body.
const BODY: usize = 1024;

/// Serves on `count` ports from `first` on, until it is killed.
pub async fn run(first: u16, count: u16) -> Outcome {
    let mut listeners = JoinSet::new();
    for port in first..first + count {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        listeners.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream));
            }
        });
    }
    println!("ready");
    listeners.join_all().await;
    Ok(())
}

async fn serve(mut stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'x'; BODY]].concat();
    let _ = stream.set_nodelay(true);
    let mut heard = Vec::with_capacity(2048);
    while let Ok(1..) = stream.read_buf(&mut heard).await {
        // Requests without bodies, one after the other.
        while let Some(end) = message::end_of_head(&heard) {
            heard.drain(..end);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}
