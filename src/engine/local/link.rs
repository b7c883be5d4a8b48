//! The server's side of the talk with a holder.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::wire::{Order, Status, line};

/// Longest that a holder may take for a few bytes.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Link {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    /// The process at the other end, as the kernel says.
    pub(super) pid: Option<i32>,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
        let (read, write) = stream.into_split();
        Self { lines: BufReader::new(read).lines(), write, pid }
    }

    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self::new(tokio::time::timeout(DEADLINE, UnixStream::connect(path)).await??))
    }

    /// The next report. `None`: the holder is gone. May be dropped while waiting and called again.
    pub(super) async fn report(&mut self) -> Option<Status> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(text)) => {
                    if let Ok(status) = serde_json::from_str(&text) {
                        return Some(status);
                    }
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }

    pub(super) async fn send(&mut self, order: &Order) -> io::Result<()> {
        tokio::time::timeout(DEADLINE, self.write.write_all(&line(order))).await?
    }
}
