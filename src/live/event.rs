//! What happened, and the frames that tell of it: each written once, however many read it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    cursor::Mark,
    frame,
    outbox::{Key, Verb, Weigh},
};

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
}

impl Style {
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
            Subject::Sessions if self.everybody => ",scope:1",
            Subject::Jobs if self.everybody => ",jobscope:1",
            Subject::Jobs => ",jobscope:0",
            Subject::Sessions | Subject::Templates => "",
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
    /// Whose it is; `None`: everybody's.
    pub owner: Option<Arc<str>>,
    /// When this replica heard of it.
    pub time: Timestamp,
    /// The object as JSON.
    pub object: Bytes,
}

impl Change {
    /// The frame for readers of that style.
    #[must_use]
    pub fn frame(&self, style: Style) -> Bytes {
        self.frame_with(&style.label(self.subject.topic()), &style.cursor(self.subject, self.mark))
    }

    /// The frame with that label and cursor.
    #[must_use]
    pub fn frame_with(&self, label: &str, cursor: &str) -> Bytes {
        let noun = self.subject.noun();
        let verb = match self.key.verb {
            Verb::Created => "created",
            Verb::Deleted => "deleted",
            Verb::Updated | Verb::Figure => "updated",
        };
        let begin = format!(
            "{{\"type\":\"{noun}.{verb}\",{label}\"cursor\":\"{cursor}\",\"time\":\"{}\",\"{noun}\":",
            self.time
        );
        frame::text(&[begin.as_bytes(), &self.object, b"}"])
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
        /// Whose session it is.
        owner: Arc<str>,
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

    /// The frame for readers of that style, written when it is first asked for.
    pub fn frame(&self, style: Style) -> &Bytes {
        let style = match self.content {
            Content::Change(_) => style,
            // It carries no cursor, so that all readers can have the same one.
            Content::Figure { .. } | Content::Cluster { .. } | Content::Notice { .. } => {
                Style { everybody: false, ..style }
            }
        };
        self.frames[style.index()].get_or_init(|| match &self.content {
            Content::Change(change) => change.frame(style),
            Content::Figure { fields, .. } => message("session.activity", Subject::Sessions.topic(), style, fields),
            Content::Cluster { type_, fields } => message(type_, CLUSTER, style, fields),
            Content::Notice { fields, .. } => message("session.warning", NOTIFICATIONS, style, fields),
        })
    }
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
            owner: Some("alice".into()),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            object: Bytes::from_static(b"{\"kind\":\"Session\"}"),
        };
        let event = Event::new(1, None, Content::Change(Arc::new(change)));
        let style = Style { labelled: true, everybody: true };
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
