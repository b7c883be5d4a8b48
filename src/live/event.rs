//! What happened, and the frames that tell of it: each written once, however many read it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    cursor::Mark,
    frame,
    outbox::{Key, Verb, Weigh},
    scope::{Scope, Whose},
};
use crate::domain::sharing::Level;

/// A feed of objects.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    /// Sessions.
    Sessions,
    /// Templates.
    Templates,
    /// Jobs.
    Jobs,
}

impl Subject {
    /// Every feed.
    pub const ALL: [Self; 3] = [Self::Sessions, Self::Templates, Self::Jobs];

    /// Its topic, which is also its name in cursors.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Templates => "templates",
            Self::Jobs => "jobs",
        }
    }

    /// The field that holds the object, and the first word of the message's type.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Sessions => "session",
            Self::Templates => "template",
            Self::Jobs => "job",
        }
    }
}

/// Topic of what is meant for one person.
pub const NOTIFICATIONS: &str = "notifications";

/// Topic of the nodes' figures.
pub const CLUSTER: &str = "cluster";

/// How a reader wants frames: what differs between readers of the same event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Style {
    /// Frames name their topic, for sockets that carry several.
    pub labelled: bool,
    /// The reader sees everybody's sessions or jobs, and cursors say so.
    pub everybody: bool,
    /// What sets the reader's scope apart, as [`Scope::mark`] says, and cursors say so.
    pub mark: u64,
}

impl Style {
    /// Of a reader of that scope.
    #[must_use]
    pub fn of(scope: &Scope, labelled: bool) -> Self {
        Self { labelled, everybody: matches!(scope, Scope::All), mark: scope.mark() }
    }

    const fn index(self) -> usize {
        self.labelled as usize + 2 * self.everybody as usize
    }

    /// `"topic":"…",` or nothing.
    #[must_use]
    pub fn label(self, topic: &str) -> String {
        if self.labelled { format!("\"topic\":{},", serde_json::Value::from(topic)) } else { String::new() }
    }

    /// The cursor of a place in a feed.
    #[must_use]
    pub fn cursor(self, subject: Subject, mark: Mark) -> String {
        let scope = match subject {
            Subject::Sessions if self.everybody => ",scope:1".to_owned(),
            Subject::Jobs if self.everybody => ",jobscope:1".to_owned(),
            Subject::Jobs => ",jobscope:0".to_owned(),
            Subject::Sessions if self.mark != 0 => format!(",shares:{:x}", self.mark),
            Subject::Templates if self.mark != 0 => format!(",groups:{:x}", self.mark),
            Subject::Sessions | Subject::Templates => String::new(),
        };
        format!("{}:{mark}{scope}", subject.topic())
    }
}

/// A change of an object.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place.
    pub mark: Mark,
    /// The feed.
    pub subject: Subject,
    /// What happened to whom. Never a figure.
    pub key: Key,
    /// Who may know of it.
    pub whose: Whose,
    /// Who might before, where that is another now.
    pub before: Option<Whose>,
    /// When this replica heard of it.
    pub time: Timestamp,
    /// The object as JSON.
    pub object: Bytes,
}

impl Change {
    /// What it is to a reader of that scope; `None`: nothing that they may know of. What came into their sight is new to
    /// them, and what went out of it is gone.
    #[must_use]
    pub fn key_for(&self, scope: &Scope) -> Option<Key> {
        let sees = scope.sees(&self.whose);
        let verb = match &self.before {
            None if sees => self.key.verb,
            None => return None,
            Some(before) => match (scope.sees(before), sees) {
                (false, false) => return None,
                (false, true) => Verb::Created,
                (true, false) => Verb::Deleted,
                (true, true) => self.key.verb,
            },
        };
        Some(Key { verb, ..self.key })
    }

    /// The frame for a reader of that scope, for whom it is `key`.
    #[must_use]
    pub fn frame(&self, key: Key, scope: &Scope, labelled: bool) -> Bytes {
        let style = Style::of(scope, labelled);
        let cursor = style.cursor(self.subject, self.mark);
        self.frame_with(key.verb, &style.label(self.subject.topic()), &cursor, scope)
    }

    /// The frame with that label and cursor.
    #[must_use]
    pub fn frame_with(&self, verb: Verb, label: &str, cursor: &str, scope: &Scope) -> Bytes {
        let noun = self.subject.noun();
        let word = match verb {
            Verb::Created => "created",
            Verb::Deleted => "deleted",
            Verb::Updated | Verb::Figure => "updated",
        };
        let shared = scope.shared(&self.whose).map(shared_field).unwrap_or_default();
        let begin = format!(
            "{{\"type\":\"{noun}.{word}\",{label}\"cursor\":\"{cursor}\",\"time\":\"{}\",{shared}\"{noun}\":",
            self.time
        );
        if verb == Verb::Deleted && !scope.sees(&self.whose) {
            // What it has become is not theirs to know.
            return frame::text(&[begin.as_bytes(), self.stub().as_bytes(), b"}"]);
        }
        frame::text(&[begin.as_bytes(), &self.object, b"}"])
    }

    /// Of the object what it is known by.
    fn stub(&self) -> String {
        #[derive(serde::Deserialize, serde::Serialize)]
        struct Metadata {
            name: String,
            uid: Option<String>,
        }
        #[derive(serde::Deserialize, serde::Serialize)]
        struct Stub {
            metadata: Metadata,
        }
        let stub = serde_json::from_slice::<Stub>(&self.object).and_then(|stub| serde_json::to_string(&stub));
        stub.unwrap_or_else(|_| "{}".to_owned())
    }

    /// Bytes that remembering it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.object.len() + size_of::<Self>()
    }
}

/// What an event says.
#[derive(Debug)]
pub enum Content {
    /// A change of an object.
    Change(Arc<Change>),
    /// A live figure about a session: the message's fields after its type and topic, without braces.
    Figure {
        /// Who may know of the session.
        whose: Whose,
        /// The fields.
        fields: String,
    },
    /// Something about the nodes, as above.
    Cluster {
        /// Such as `node.updated`.
        type_: &'static str,
        /// The fields.
        fields: String,
    },
    /// A word to one person, as above.
    Notice {
        /// The person.
        user: Arc<str>,
        /// The fields.
        fields: String,
    },
}

/// Something that happened, on its way to those who read of it.
#[derive(Debug)]
pub struct Event {
    /// Its number on this replica.
    pub seq: u64,
    /// By which a newer one supersedes it. `None`: it stands alone.
    pub key: Option<Key>,
    /// What it says.
    pub content: Content,
    frames: [OnceLock<Bytes>; 4],
}

impl Event {
    /// An event with no frame written yet.
    #[must_use]
    pub fn new(seq: u64, key: Option<Key>, content: Content) -> Self {
        Self { seq, key, content, frames: Default::default() }
    }

    /// The frame for readers who are told the same as all of that style, written when it is first asked for.
    pub fn frame(&self, style: Style) -> &Bytes {
        let style = match self.content {
            Content::Change(_) => style,
            // It carries no cursor, so that all readers can have the same one.
            Content::Figure { .. } | Content::Cluster { .. } | Content::Notice { .. } => {
                Style { everybody: false, ..style }
            }
        };
        self.frames[style.index()].get_or_init(|| match &self.content {
            Content::Change(change) => {
                let (label, cursor) = (style.label(change.subject.topic()), style.cursor(change.subject, change.mark));
                change.frame_with(change.key.verb, &label, &cursor, &Scope::All)
            }
            Content::Figure { fields, .. } => message("session.activity", Subject::Sessions.topic(), style, fields),
            Content::Cluster { type_, fields } => message(type_, CLUSTER, style, fields),
            Content::Notice { fields, .. } => message("session.warning", NOTIFICATIONS, style, fields),
        })
    }
}

/// The field that marks what another shares with the reader, with a comma behind it.
pub fn shared_field(level: Level) -> String {
    format!("\"shared\":\"{}\",", level.word())
}

fn message(type_: &str, topic: &str, style: Style, fields: &str) -> Bytes {
    let label = style.label(topic);
    frame::text(&[b"{\"type\":\"", type_.as_bytes(), b"\",", label.as_bytes(), fields.as_bytes(), b"}"])
}

impl Weigh for Arc<Event> {
    fn weight(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_once_for_all_readers_of_a_style() {
        let change = Change {
            mark: Mark::at(42),
            subject: Subject::Sessions,
            key: Key { subject: 1, verb: Verb::Updated },
            whose: Whose { uid: "uid".into(), owner: Some("alice".into()), groups: Arc::default() },
            before: None,
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            object: Bytes::from_static(b"{\"kind\":\"Session\"}"),
        };
        let event = Event::new(1, None, Content::Change(Arc::new(change)));
        let style = Style { labelled: true, everybody: true, mark: 0 };
        let frame = event.frame(style);
        assert_eq!(frame.as_ptr(), event.frame(style).as_ptr());
        let text = std::str::from_utf8(&frame[4..]).unwrap();
        assert_eq!(
            text,
            "{\"type\":\"session.updated\",\"topic\":\"sessions\",\"cursor\":\"sessions:42,scope:1\",\
             \"time\":\"2026-01-02T03:04:05Z\",\"session\":{\"kind\":\"Session\"}}"
        );
        assert_ne!(frame, event.frame(Style::default()));
    }
}
