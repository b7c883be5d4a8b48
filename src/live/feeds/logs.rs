//! The output of a session's program, a batch of lines a message.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Error,
    engine::{ContainerOf, Engine, EngineError, LogLine, LogQuery, SessionId},
    live::{event::Style, frame, scope::Whose, socket::Socket},
};

/// How long lines are gathered for one message.
const BATCH_WITHIN: Duration = Duration::from_millis(100);
/// Most lines of one message.
const BATCH_LINES: usize = 500;
/// A message is sent once its lines have so many bytes.
const BATCH_BYTES: usize = 32 * 1024;
/// Longest line; the rest of a longer one is left out, and said so.
const LINE_BYTES: usize = 16 * 1024;
/// How long the engine may take to open the log.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long lines wait for a slow reader before they are dropped.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// Which lines a reader wants.
#[derive(Clone, Debug)]
pub struct LogWish {
    /// Only so many of the last lines that exist.
    pub tail: usize,
    /// Whether lines to come are wanted too.
    pub follow: bool,
    /// Whether lines carry their time.
    pub timestamps: bool,
    /// Only lines from then on.
    pub since: Option<Timestamp>,
    /// The container, where a pod has several.
    pub container: Option<String>,
}

impl Default for LogWish {
    fn default() -> Self {
        Self { tail: 100, follow: true, timestamps: true, since: None, container: None }
    }
}

/// A subscription to the logs of a workload. The reading ends with it.
#[derive(Debug)]
pub struct LogReading {
    /// Its number.
    pub id: u64,
    /// Its topic.
    pub topic: Arc<str>,
    /// Who may know of the session.
    pub whose: Whose,
    /// The task that reads.
    pub task: JoinHandle<Option<()>>,
}

impl Drop for LogReading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whose output is read.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A session's, through all its runs.
    Session(SessionId),
    /// A container's.
    Container(ContainerOf),
}

/// Reads the log of `source` and sends it, until it ends.
pub(crate) async fn follow(
    engine: Arc<dyn Engine>,
    source: Source,
    wish: LogWish,
    socket: Arc<Socket>,
    (id, topic): (u64, Arc<str>),
) {
    let query = LogQuery { tail: Some(wish.tail), since: wish.since, follow: wish.follow };
    let opened = async {
        match &source {
            Source::Session(session) => engine.logs(session, query).await,
            Source::Container(of) => engine.output(of, query).await,
        }
    };
    match timeout(OPEN_WITHIN, opened).await {
        Ok(Ok(lines)) => {
            let style = Style { labelled: socket.is_labelled(), ..Style::default() };
            let room = socket.room();
            let mut sender = Sender { label: style.label(&topic), room, socket: &socket, id, wish, dropped: 0 };
            sender.run(lines).await;
        }
        Ok(Err(error)) => socket.refuse(Some(&topic), &error.into()),
        Err(_) => socket.refuse(Some(&topic), &Error::Unavailable("the log could not be opened in time".to_owned())),
    }
    socket.logs_ended(id);
}

/// A line as it is sent.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    stream: &'a str,
    text: &'a str,
    /// Bytes of the line that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<usize>,
}

struct Sender<'a> {
    label: String,
    room: Arc<Notify>,
    socket: &'a Socket,
    id: u64,
    wish: LogWish,
    /// Lines that were left out since the last message.
    dropped: usize,
}

impl Sender<'_> {
    async fn run(&mut self, mut lines: BoxStream<'static, Result<LogLine, EngineError>>) {
        while let Some(batch) = next_batch(&mut lines).await {
            let frame = self.frame(&batch);
            if self.offer(frame).await {
                self.dropped = 0;
            } else {
                self.dropped += batch.len();
                metrics::counter!("streamspace_ws_log_lines_dropped_total").increment(batch.len() as u64);
            }
        }
        let dropped = self.dropped_field();
        let end = format!("{{\"type\":\"log.end\"{}{dropped}}}", self.trailing_label());
        self.send_end(frame::text(&[end.as_bytes()])).await;
    }

    /// Sends the last frame, which is worth waiting for.
    async fn send_end(&mut self, frame: Bytes) {
        self.dropped = 0;
        if !self.offer(frame).await {
            tracing::debug!("a reader of a log took nothing any more when it ended");
        }
    }

    /// Sends `frame` once there is room; false: there was none for too long. Who was too slow just now is not waited
    /// for again: what is left out then is made up for by being told the newest lines soon.
    async fn offer(&self, frame: Bytes) -> bool {
        if self.dropped > 0 {
            return self.socket.offer_logs(self.id, &frame);
        }
        let offer = async {
            loop {
                let told = self.room.notified();
                if self.socket.offer_logs(self.id, &frame) {
                    return;
                }
                told.await;
            }
        };
        timeout(ROOM_WITHIN, offer).await.is_ok()
    }

    fn frame(&self, batch: &[LogLine]) -> Bytes {
        let lines: Vec<_> = batch.iter().map(|line| self.line(line)).collect();
        let lines = serde_json::to_string(&lines).unwrap_or_else(|_| "[]".to_owned());
        let (label, dropped) = (&self.label, self.dropped_field());
        frame::text(&[format!("{{\"type\":\"log.lines\",{label}\"lines\":{lines}{dropped}}}").as_bytes()])
    }

    fn line<'a>(&self, line: &'a LogLine) -> Line<'a> {
        let kept = line.text.floor_char_boundary(LINE_BYTES);
        Line {
            time: self.wish.timestamps.then_some(line.time),
            stream: &line.stream,
            text: &line.text[..kept],
            cut: Some(line.text.len() - kept).filter(|cut| *cut > 0),
        }
    }

    fn dropped_field(&self) -> String {
        if self.dropped == 0 { String::new() } else { format!(",\"dropped\":{}", self.dropped) }
    }

    /// The topic as a last field.
    fn trailing_label(&self) -> String {
        self.label.strip_suffix(',').map(|label| format!(",{label}")).unwrap_or_default()
    }
}

/// The lines that come within a moment of the next one; `None` once there are no more.
async fn next_batch(lines: &mut BoxStream<'static, Result<LogLine, EngineError>>) -> Option<Vec<LogLine>> {
    let mut batch = vec![readable(lines.next().await)?];
    let mut bytes = 0;
    let until = Instant::now() + BATCH_WITHIN;
    while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
        // What ended the batch early is met again by the next one: the stream stays at its end.
        match timeout_at(until, lines.next()).await.ok().and_then(readable) {
            Some(line) => {
                bytes += line.text.len();
                batch.push(line);
            }
            None => break,
        }
    }
    Some(batch)
}

/// A line, or the end of the log; an engine that fails in the middle ends it too.
fn readable(line: Option<Result<LogLine, EngineError>>) -> Option<LogLine> {
    match line? {
        Ok(line) => Some(line),
        Err(error) => {
            tracing::warn!(error = %error, "a log broke off");
            None
        }
    }
}
