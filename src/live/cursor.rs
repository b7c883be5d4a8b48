//! How far a reader has read.

use std::fmt;

use super::event::{Style, Subject};

/// A place in the order of a feed's changes.
///
/// `number` is the `resourceVersion` of the change that was read last, the same on every replica. `part` is 0 but for
/// changes that have no number of their own: sessions that a reader was found to miss or may no longer see. Such a
/// place exists on one connection only, so nobody can resume from it.
///
/// Written as `42`, or `42.000003` for the third part: decimal fractions that grow.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mark {
    /// The change read last.
    pub number: u64,
    /// Which of the changes without a number after it; from 1.
    pub part: u32,
}

impl Mark {
    /// The place right after the change of that number.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        Self { number, part: 0 }
    }

    /// The present, whatever its number: of what is there already nothing is wanted.
    pub const LATEST: Self = Self { number: u64::MAX, part: 0 };

    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::LATEST);
        }
        let (number, part) = match text.split_once('.') {
            Some((number, part)) => (number, part.parse().ok()?),
            None => (text, 0),
        };
        Some(Self { number: number.parse().ok()?, part })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.number),
            part => write!(f, "{}.{part:06}", self.number),
        }
    }
}

/// What a client hands back when it reconnects: `feed:number` for each feed, joined by commas.
///
/// `scope:1` says that the sessions were those of everybody, `scope:0` or nothing that they were the reader's own: a
/// reader whose roles changed meanwhile gets a fresh snapshot instead of a gap that would leave out what they may see
/// since then. `jobscope` says the same of jobs; `shares` and `groups` say, as numbers, which sessions were shared with
/// the reader and to which groups they belonged, with the same consequence.
///
/// `latest` in place of a number begins now: such a reader fetches what it needs of what is there by itself, afterwards.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    /// Place in the feed of sessions.
    pub sessions: Option<Mark>,
    /// Place in the feed of templates.
    pub templates: Option<Mark>,
    /// Whether the sessions read were those of everybody.
    pub everybody: bool,
    /// Place in the feed of jobs.
    pub jobs: Option<Mark>,
    /// Whether the jobs read were those of everybody.
    pub everybodys_jobs: bool,
    /// What was shared with the reader of sessions.
    pub shares: u64,
    /// The groups that counted for the reader of templates.
    pub groups: u64,
}

impl Cursor {
    /// Reads `text`. Feeds that are unknown and numbers that are none count as absent: the client then gets a fresh
    /// snapshot and can tell.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut cursor = Self::default();
        for (feed, place) in text.split(',').filter_map(|pair| pair.trim().split_once(':')) {
            match feed {
                "sessions" => cursor.sessions = Mark::parse(place),
                "templates" => cursor.templates = Mark::parse(place),
                "scope" => cursor.everybody = place == "1",
                "jobs" => cursor.jobs = Mark::parse(place),
                "shares" => cursor.shares = u64::from_str_radix(place, 16).unwrap_or_default(),
                "groups" => cursor.groups = u64::from_str_radix(place, 16).unwrap_or_default(),
                "jobscope" => cursor.everybodys_jobs = place == "1",
                _ => {}
            }
        }
        cursor
    }

    /// The place in the feed of `subject` from which a reader of that style can go on.
    #[must_use]
    pub fn place(&self, subject: Subject, style: Style) -> Option<Mark> {
        match subject {
            Subject::Sessions => {
                let same = self.everybody == style.everybody && (style.everybody || self.shares == style.mark);
                within(self.sessions, same)
            }
            Subject::Templates => within(self.templates, style.everybody || self.groups == style.mark),
            Subject::Jobs => within(self.jobs, self.everybodys_jobs == style.everybody),
        }
    }
}

/// The present can be begun with in any scope, a place in the past only in that in which it was read.
fn within(mark: Option<Mark>, same_scope: bool) -> Option<Mark> {
    mark.filter(|mark| same_scope || *mark == Mark::LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_feed_by_feed_in_any_order() {
        let cursor = Cursor::parse("templates:7, sessions:42,scope:1,jobs:9,jobscope:0");
        assert_eq!(cursor.sessions, Some(Mark::at(42)));
        assert_eq!(cursor.templates, Some(Mark::at(7)));
        assert_eq!(cursor.jobs, Some(Mark::at(9)));
        assert!(cursor.everybody && !cursor.everybodys_jobs);
        assert_eq!(Cursor::parse("templates:latest").templates, Some(Mark::LATEST));
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        for text in ["", "sessions", "sessions:", "sessions:-1", "sessions:x", "sessions:99999999999999999999", "a:b,,"]
        {
            assert_eq!(Cursor::parse(text), Cursor::default(), "{text}");
        }
    }

    #[test]
    fn places_are_written_as_numbers_that_grow() {
        let places = [Mark::at(9), Mark { number: 9, part: 1 }, Mark { number: 9, part: 10 }, Mark::at(10)];
        let written = places.map(|mark| mark.to_string().parse::<f64>().unwrap());
        assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
        assert!(places.is_sorted());
        assert_eq!(places.map(|mark| Mark::parse(&mark.to_string())), places.map(Some));
    }
}
