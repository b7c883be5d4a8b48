//! The output of programs, as kubelet keeps it with their pods.

use std::sync::Arc;

use async_stream::stream;
use futures::{
    AsyncBufReadExt, StreamExt,
    io::{AsyncBufRead, Lines},
    stream::BoxStream,
};
use jiff::Timestamp;
use kube::api::LogParams;

use super::{Inner, failed, pod::CONTAINER};
use crate::engine::{EngineError, LogLine, LogQuery, SessionId, Stage};

/// The lines that there are, and, where that is asked, those to come, of this pod and of those that follow it.
pub(super) fn read(
    inner: Arc<Inner>,
    session: SessionId,
    query: LogQuery,
) -> BoxStream<'static, Result<LogLine, EngineError>> {
    stream! {
        let mut tail = query.tail;
        let mut last = None;
        while let Some(uid) = inner.next_output(&session, last.as_deref(), query.follow).await {
            match inner.open(&session, LogQuery { tail: tail.take(), ..query }).await {
                Ok(mut lines) => {
                    while let Some(line) = lines.next().await {
                        match line {
                            Ok(text) => yield Ok(parse(&text, inner.clock.now())),
                            Err(error) => {
                                yield Err(EngineError::Failed(format!("the output broke off: {error}")));
                                break;
                            }
                        }
                    }
                }
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
            if !query.follow {
                return;
            }
            last = Some(uid);
        }
    }
    .boxed()
}

impl Inner {
    /// The uid of the session's pod once it has output and is another than `last`. `None`: there will be none.
    async fn next_output(&self, session: &SessionId, last: Option<&str>, wait: bool) -> Option<String> {
        let mut events = Arc::clone(&self.board).follow();
        loop {
            let shown = self.board.get(session)?;
            let found = self.slots().known.get(session).map(|slot| slot.seen.uid.clone());
            let begun = shown.started_at.is_some() || matches!(shown.stage, Stage::Running { .. });
            if let Some(uid) = found.filter(|uid| begun && Some(uid.as_str()) != last) {
                return Some(uid);
            }
            if !wait {
                return None;
            }
            events.next().await;
        }
    }

    async fn open(
        &self,
        session: &SessionId,
        query: LogQuery,
    ) -> Result<Lines<impl AsyncBufRead + Unpin + use<>>, EngineError> {
        let params = LogParams { container: Some(CONTAINER.into()), ..params(query) };
        match tokio::time::timeout(super::CALL_WITHIN, self.pods.log_stream(&session.0, &params)).await {
            Ok(Ok(output)) => Ok(Box::pin(output).lines()),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(EngineError::Failed("the output has not been told in time".into())),
        }
    }
}

/// What kubelet is asked for, of whatever container.
pub(super) fn params(query: LogQuery) -> LogParams {
    LogParams {
        follow: query.follow,
        since_time: query.since,
        tail_lines: query.tail.map(|lines| i64::try_from(lines).unwrap_or(i64::MAX)),
        timestamps: true,
        ..LogParams::default()
    }
}

/// A line as kubelet gives it: the time, a space, the text.
pub(super) fn parse(line: &str, now: Timestamp) -> LogLine {
    let stamped = line.split_once(' ').and_then(|(time, text)| Some((time.parse().ok()?, text)));
    let (time, text) = stamped.unwrap_or((now, line));
    // Kubelet does not tell one from the other.
    LogLine { time, stream: "stdout".into(), text: text.into() }
}
