//! What a client says, and what is done about it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    cursor::Cursor,
    decode::{Decoder, Incoming, Violation},
    event::{CLUSTER, NOTIFICATIONS, Subject},
    feeds::logs::LogWish,
    frame::CloseCode,
    hub::Hub,
    socket::Socket,
};
use crate::{Error, clock::Clock, domain::duration::Span, engine::Engine};

/// How many messages a client may send at once.
const BURST: f64 = 60.0;
/// How many more it may send with each second.
const PER_SECOND: f64 = 10.0;

/// Something that can be subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Topic {
    /// `sessions`, `templates`, `jobs`.
    Feed(Subject),
    /// `cluster`.
    Cluster,
    /// `notifications`.
    Notifications,
    /// `logs/{namespace}/{pod}`.
    Logs {
        /// `local` on one machine.
        namespace: String,
        /// The workload's name.
        pod: String,
    },
}

impl Topic {
    /// Reads a topic's name.
    ///
    /// # Errors
    /// [`Error::NotFound`] for anything else.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let unknown = || Error::not_found("topic", name);
        match name {
            "sessions" => Ok(Self::Feed(Subject::Sessions)),
            "templates" => Ok(Self::Feed(Subject::Templates)),
            "jobs" => Ok(Self::Feed(Subject::Jobs)),
            CLUSTER => Ok(Self::Cluster),
            NOTIFICATIONS => Ok(Self::Notifications),
            _ => {
                let (namespace, pod) =
                    name.strip_prefix("logs/").and_then(|rest| rest.split_once('/')).ok_or_else(unknown)?;
                if namespace.is_empty() || pod.is_empty() || pod.contains('/') {
                    return Err(unknown());
                }
                Ok(Self::Logs { namespace: namespace.to_owned(), pod: pod.to_owned() })
            }
        }
    }
}

/// A message of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Subscribe {
        topic: String,
        cursor: Option<String>,
        tail: Option<usize>,
        follow: Option<bool>,
        timestamps: Option<bool>,
        since: Option<Span>,
        container: Option<String>,
    },
    Unsubscribe {
        topic: String,
    },
}

impl Hub {
    /// Subscribes to `topic` from `cursor` on; a subscription that is there already begins anew.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where the caller may not read it; logs that are not theirs do not exist for them.
    pub fn subscribe(
        &self,
        socket: &Arc<Socket>,
        engine: &Arc<dyn Engine>,
        topic: &Topic,
        cursor: Cursor,
        wish: LogWish,
    ) -> Result<(), Error> {
        let access = socket.access();
        let may = |allowed: bool, topic: &str| {
            allowed.then_some(()).ok_or_else(|| Error::Forbidden(format!("you may not read {topic}")))
        };
        match topic {
            Topic::Feed(subject) => {
                let allowed = match subject {
                    Subject::Sessions => access.sessions.is_some(),
                    Subject::Templates => access.templates.is_some(),
                    Subject::Jobs => access.jobs.is_some(),
                };
                may(allowed, subject.topic())?;
                self.read(socket, *subject, cursor);
            }
            Topic::Cluster => {
                may(access.cluster, CLUSTER)?;
                self.read_cluster(socket);
            }
            Topic::Notifications => {
                may(access.notifications, NOTIFICATIONS)?;
                self.read_notifications(socket);
            }
            Topic::Logs { namespace, pod } => self.read_logs(socket, engine, (namespace, pod), wish)?,
        }
        Ok(())
    }

    /// Ends a subscription. Nothing happens where there is none.
    pub fn unsubscribe(&self, socket: &Arc<Socket>, topic: &Topic) {
        match topic {
            Topic::Feed(subject) => self.stop_reading(socket, *subject),
            Topic::Cluster => socket.stop_cluster(),
            Topic::Notifications => socket.stop_notifications(),
            Topic::Logs { namespace, pod } => socket.stop_logs(&format!("logs/{namespace}/{pod}")),
        }
    }
}

/// The client's side of one connection.
#[derive(Debug)]
pub struct Conversation {
    hub: Hub,
    socket: Arc<Socket>,
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    decoder: Decoder,
    /// Messages that may still be sent, and when that was reckoned.
    allowance: (f64, Timestamp),
}

impl Conversation {
    /// What the client on `socket` is going to say.
    #[must_use]
    pub fn new(hub: Hub, socket: Arc<Socket>, engine: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Self {
        let allowance = (BURST, clock.now());
        Self { hub, socket, engine, clock, decoder: Decoder::default(), allowance }
    }

    /// Takes what the network brought and does what it says. After a violation the connection is being closed, and
    /// nothing more is read from it. Returns whether to go on.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        self.socket.heard();
        self.decoder.push(bytes);
        loop {
            match self.decoder.next_message() {
                Ok(None) => return true,
                Ok(Some(Incoming::Close)) => {
                    self.socket.client_closed();
                    return false;
                }
                Ok(Some(_)) if !self.may_speak() => {
                    self.socket.close(CloseCode::Policy, "too many messages");
                    return false;
                }
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Ping(payload))) => self.socket.pong(&payload),
                Ok(Some(Incoming::Text(text))) => self.answer(&text),
                Err(Violation { code, reason }) => {
                    self.socket.close(code, reason);
                    return false;
                }
            }
        }
    }

    fn may_speak(&mut self) -> bool {
        let (left, then) = self.allowance;
        let now = self.clock.now();
        let passed = now.duration_since(then).as_secs_f64().max(0.0);
        let left = passed.mul_add(PER_SECOND, left).min(BURST) - 1.0;
        self.allowance = (left, now);
        left >= 0.0
    }

    fn answer(&self, text: &str) {
        if !self.socket.is_labelled() {
            let error = "this socket takes no messages: subscribe on /api/v1/ws/events";
            return self.socket.refuse(None, &Error::BadRequest(error.to_owned()));
        }
        let request = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) => return self.socket.refuse(None, &unreadable(&error)),
        };
        let (Request::Subscribe { topic: name, .. } | Request::Unsubscribe { topic: name }) = &request;
        let done = Topic::parse(name).and_then(|topic| match &request {
            Request::Subscribe { cursor, tail, follow, timestamps, since, container, .. } => {
                let cursor = Cursor::parse(cursor.as_deref().unwrap_or_default());
                let usual = LogWish::default();
                let wish = LogWish {
                    tail: tail.unwrap_or(usual.tail),
                    follow: follow.unwrap_or(usual.follow),
                    timestamps: timestamps.unwrap_or(usual.timestamps),
                    since: since.and_then(|span| span.before(self.clock.now())),
                    container: container.clone(),
                };
                self.hub.subscribe(&self.socket, &self.engine, &topic, cursor, wish)
            }
            Request::Unsubscribe { .. } => {
                self.hub.unsubscribe(&self.socket, &topic);
                Ok(())
            }
        });
        if let Err(error) = done {
            self.socket.refuse(Some(name), &error);
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::BadRequest(format!("a message is {{\"type\":\"subscribe\" or \"unsubscribe\",\"topic\":…}} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_exact_names() {
        assert_eq!(Topic::parse("sessions").unwrap(), Topic::Feed(Subject::Sessions));
        let logs = Topic::Logs { namespace: "local".to_owned(), pod: "a".to_owned() };
        assert_eq!(Topic::parse("logs/local/a").unwrap(), logs);
        for name in ["", "Sessions", "sessions/a", "logs", "logs/local", "logs//a", "logs/local/", "logs/a/b/c", "job"]
        {
            assert!(matches!(Topic::parse(name), Err(Error::NotFound { .. })), "{name}");
        }
    }
}
