//! Questions to identity providers: within bounds of time and size, and what they say of themselves, kept for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    domain::{outgoing::Exceptions, sso::Claims},
    outgoing::Dialler,
    telemetry::logs::chain,
};

/// Why a provider's word does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be asked.
    #[error("the identity provider cannot be asked: {0}")]
    Away(String),
    /// It does not take what it is shown, or what it says is not proven.
    #[error("the identity provider's answer does not count: {0}")]
    NotAccepted(String),
}

/// Somebody whom a provider knows, proven.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The provider's own id of them.
    pub subject: String,
    /// Everything that it says of them.
    pub claims: Claims,
}

/// A question over HTTP.
pub(super) type Question = http::Request<Vec<u8>>;
/// What was answered, whatever its status.
pub(super) type Answer = http::Response<Vec<u8>>;

/// Longest time for one question.
const WITHIN: Duration = Duration::from_secs(4);
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 1 << 20;
/// After an attempt to read something, nobody tries again for this time.
const PAUSE: Duration = Duration::from_secs(3);

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unanswered(pub(super) String);

/// Asks a provider that an administrator named.
#[derive(Debug)]
pub(super) struct Outside(Dialler);

impl Outside {
    /// `url`: where the administrator said it is. That very host may lie in an inner network; what it refers to elsewhere
    /// is public.
    pub(super) fn at(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let origin = format!("{}/", url.origin().ascii_serialization());
        Ok(Self(Dialler::new(Exceptions::parse([origin])?)))
    }

    /// Asks. Redirects are not followed.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, Unanswered> {
        let asked = tokio::time::timeout(WITHIN, self.send(question)).await;
        asked.unwrap_or_else(|_| Err(Unanswered(format!("it took longer than {} s", WITHIN.as_secs()))))
    }

    async fn send(&self, question: Question) -> Result<Answer, Unanswered> {
        let unanswered = |error: reqwest::Error| Unanswered(chain(&error));
        let request = reqwest::Request::try_from(question).map_err(unanswered)?;
        let client = self.0.client(request.url()).map_err(Unanswered)?;
        let answered = client.execute(request).await.map_err(unanswered)?;
        let mut answer = Answer::new(Vec::new());
        *answer.status_mut() = answered.status();
        *answer.headers_mut() = answered.headers().clone();
        let (mut body, mut parts) = (BytesMut::new(), answered.bytes_stream());
        while let Some(part) = parts.next().await {
            let part: Bytes = part.map_err(unanswered)?;
            if body.len() + part.len() > ANSWER_BYTES {
                return Err(Unanswered(format!("it said more than {ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&part);
        }
        *answer.body_mut() = body.into();
        Ok(answer)
    }
}

/// Something that a provider says of itself, read when it is needed.
#[derive(Debug)]
pub(super) struct Kept<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    value: Option<Arc<T>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::old(None)
    }
}

impl<T> Kept<T> {
    /// With what was known before: it counts while nothing newer can be read.
    pub(super) fn old(value: Option<T>) -> Self {
        Self(Mutex::new(State { value: value.map(Arc::new), read_at: None, tried_at: None }))
    }

    /// What was read not longer than `age` ago; or before that, while it cannot be `read`. `None`: it never could.
    pub(super) async fn get(&self, age: Duration, read: impl AsyncFnOnce() -> Option<T>) -> Option<Arc<T>> {
        let mut state = self.0.lock().await;
        if is_older(state.read_at, age) && is_older(state.tried_at, PAUSE.min(age)) {
            if let Some(value) = read().await {
                state.value = Some(Arc::new(value));
                state.read_at = Some(Instant::now());
            }
            state.tried_at = Some(Instant::now());
        }
        state.value.clone()
    }
}

fn is_older(moment: Option<Instant>, age: Duration) -> bool {
    moment.is_none_or(|moment| moment.elapsed() >= age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn what_was_read_is_used_until_it_is_old_and_on_while_it_cannot_be_read_again() {
        let kept = Kept::default();
        assert_eq!(kept.get(LONG, async || Some(1)).await.as_deref(), Some(&1));
        assert_eq!(kept.get(LONG, async || Some(2)).await.as_deref(), Some(&1), "it is fresh");
        assert_eq!(kept.get(Duration::ZERO, async || None).await.as_deref(), Some(&1), "nobody answers");
        assert_eq!(kept.get(Duration::ZERO, async || Some(3)).await.as_deref(), Some(&3));
    }

    #[tokio::test]
    async fn after_an_attempt_that_failed_nobody_tries_at_once() {
        let kept = Kept::default();
        assert_eq!(kept.get(LONG, async || None::<i32>).await, None);
        assert_eq!(kept.get(LONG, async || Some(1)).await, None, "it was tried just now");
    }
}
